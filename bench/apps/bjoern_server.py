"""bjoern has no command line: `bjoern_server.py PORT`."""

import sys

import bjoern
from hello import wsgi

bjoern.run(wsgi, "127.0.0.1", int(sys.argv[1]))
