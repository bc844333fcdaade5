"""What WSGI and ASGI applications share: loaded, called in threads, and told of their clients."""
