"""From observations to eleven steps."""
