"""What lies between a connection and HTTP: layers over a connection, the same in every pair."""
