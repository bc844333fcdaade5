"""Measuring: servers, rounds, clocks, cores."""
