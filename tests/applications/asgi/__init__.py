"""ASGI applications that do what a test asks about."""
