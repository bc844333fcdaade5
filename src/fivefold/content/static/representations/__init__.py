"""What of a file is sent (RFC 9110, sections 3.2 and 8): coding, validators, conditions, ranges."""
