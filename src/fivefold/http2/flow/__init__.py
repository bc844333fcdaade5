"""What flows on a connection of HTTP/2: what comes, what leaves, and who waits for which."""
