"""Listings of folders that have no index."""
