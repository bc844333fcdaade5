"""The forms of a comparison, all drawn from its document."""
