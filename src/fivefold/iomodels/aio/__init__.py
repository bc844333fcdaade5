"""Asynchronous I/O: hand the whole operation over, collect the result.

The two engines share the idea and nothing else: `uring` is the kernel's own queue,
`posix` is glibc's pool of threads behind `aio_read`.
"""
