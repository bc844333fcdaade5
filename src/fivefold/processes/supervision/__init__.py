"""The supervisor of a server: its slots, the workers in them, and what watches both."""
