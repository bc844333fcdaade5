"""A comparison as one page."""
