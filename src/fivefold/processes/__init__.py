"""Processes of a server: forked, ready, watched over, told to stop, replaced, ended."""
