"""What answers a request: so far, a folder of files."""
