"""What runs in a worker: content, one serving model and one I/O model put together, behind the
layers of a connection, and seen by observers."""
