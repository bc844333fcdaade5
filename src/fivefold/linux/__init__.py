"""Bindings for what the standard library lacks: system calls by ctypes, and no policy.

Nothing here decides anything; a module holds one kernel interface, its numbers and
layouts with their source, and raises OSError with the kernel's own errno.
"""
