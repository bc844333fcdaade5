"""`--status`: a process of the server that says how it does, to monitors and to people."""
