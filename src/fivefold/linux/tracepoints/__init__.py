"""The kernel's tracepoints: recorded through tracefs, counted through perf_event_open(2)."""
