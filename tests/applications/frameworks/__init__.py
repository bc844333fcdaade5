"""Applications as people write them, with the frameworks they use."""
