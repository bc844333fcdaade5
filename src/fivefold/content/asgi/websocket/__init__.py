"""Websockets (RFC 6455), between a client and an ASGI application."""
