"""Every Nth request, timed, at little cost (`--trace-sample`)."""
