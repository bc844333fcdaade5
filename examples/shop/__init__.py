"""An example shop, once for each of Python's two interfaces."""
