"""One request, eleven steps, two I/Os: what happened when, and how we know."""
