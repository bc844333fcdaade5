"""The kernel's own evidence: its trace events, and which of them belong to a request."""
