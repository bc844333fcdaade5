"""A load generator that needs nothing installed: own processes, epoll, every answer checked."""
