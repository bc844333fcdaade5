"""Fivefold: how connections are served, and how a worker waits, are two free choices."""

from .errors import FivefoldError
from .http1.limits import Limits
from .server import Server, serve
from .settings import Settings

__all__ = ["FivefoldError", "Limits", "Server", "Settings", "serve"]

__version__ = "0.1.0"
