"""The frames that a client can get wrong, as tables: what is sent, and the codes that may answer it
(RFC 9113, 7541, 8441, 9218)."""
