"""One request of our own, traced: a server, a client, a cold file."""
