"""One HTTP exchange of an ASGI application: its call, its connection and its client."""
