"""asyncio on every I/O model: an event loop whose waiting is the model's own."""
