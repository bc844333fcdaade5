"""Heads of requests: finding where one ends, and having it parsed once."""
