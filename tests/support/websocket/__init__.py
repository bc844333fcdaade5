"""Clients of websockets: a library, and frames by hand."""
