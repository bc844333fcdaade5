"""A server as a whole: what can be set, what is bound, and content, serving model and I/O model
put together."""
