"""What blocking, nonblocking, multiplexing and sigio have in common: they wait, then try."""
