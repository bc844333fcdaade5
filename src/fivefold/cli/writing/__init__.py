"""What a command writes while it works and when it is done."""
