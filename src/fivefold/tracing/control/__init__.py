"""The control process of a server, to which tracers talk."""
