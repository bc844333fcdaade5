"""ASGI applications (ASGI 3.0): http, websocket, lifespan."""
