"""Small answers of one turn leave together: what is held, and for how long it may be."""
