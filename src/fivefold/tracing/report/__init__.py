"""The forms of a trace."""
