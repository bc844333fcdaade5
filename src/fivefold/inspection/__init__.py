"""What a running server does at this moment: processes, threads, tasks and connections."""
