"""What the servers of tests serve: `applications.wsgi.sample:app` and others."""
