"""An ASGI application in one thread, its connections in others: both ends, and what crosses."""
