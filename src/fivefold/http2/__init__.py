"""HTTP/2 (RFC 9113): many exchanges on one connection, side by side; content does not know which
HTTP it answers."""
