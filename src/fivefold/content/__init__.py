"""What answers a request: folders of files, WSGI and ASGI applications."""
