-- The client has the file already: 304 from every server, whatever its entity tags.
wrk.headers["If-None-Match"] = "*"
