"""Sockets that listen: addresses, names, UNIX sockets, one for each worker slot."""
