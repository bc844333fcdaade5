"""Which content answers: by host name, by prefix, and for which users."""
