-- 64 KiB from the middle of a large file.
wrk.headers["Range"] = "bytes=1000000-1065535"
