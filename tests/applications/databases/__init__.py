"""Applications before databases and other servers."""
