"""What WSGI and ASGI applications share: loaded, called in threads, and who their clients are."""
