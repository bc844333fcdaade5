"""Two pairs side by side, and what happens to each at the press of a button: for people who want
to see what the serving models and the I/O models do, rather than read of it (`fivefold lab`)."""
