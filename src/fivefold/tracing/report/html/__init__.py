"""A trace as one page."""
