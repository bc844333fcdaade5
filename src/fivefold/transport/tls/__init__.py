"""TLS, as a layer around a connection."""
