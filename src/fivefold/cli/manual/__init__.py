"""What the command line says of itself: options, help by topic, completion, the manual page."""
