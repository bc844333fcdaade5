"""HTTP/1.1 (RFC 9110, RFC 9112) over any connection that can be awaited.

No module here opens a socket, looks at a clock of the wall except for `Date`, or knows
how a model waits: `exchange` awaits the connection it is given, the rest is bytes in,
values out.
"""
