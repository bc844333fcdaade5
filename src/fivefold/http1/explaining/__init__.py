"""Errors, explained to clients in the form that they ask for."""
