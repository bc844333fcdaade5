"""Every engine of an I/O model by itself, without a server."""
