"""The access log of `fivefold serve`: one line for each exchange, in one file for all workers."""
