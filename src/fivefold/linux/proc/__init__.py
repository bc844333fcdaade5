"""proc(5): what the threads of a process sleep in, and what its descriptors are."""
