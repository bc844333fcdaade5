"""Servers under test, each as its tests need it, and servers beside them."""
