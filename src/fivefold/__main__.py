"""`python -m fivefold`: the command line."""

from .cli import main

main()
