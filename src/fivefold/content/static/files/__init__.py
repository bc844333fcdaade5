"""Files beneath a folder: opened safely, kept, looked at again."""
