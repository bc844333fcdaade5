"""What a setting is, whatever it is of: its type, its sentence, and how each is checked."""
