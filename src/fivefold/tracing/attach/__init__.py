"""Tracing a server that runs already: the tracer, and the server that is traced."""
