"""Results written by hand, for the tests of what is drawn from them."""
