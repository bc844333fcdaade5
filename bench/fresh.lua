-- A connection for each request: the server is asked to close it.
wrk.headers["Connection"] = "close"
