"""What is promised of operations, proved: faults are made, and every request is accounted for.

`rows.py` is the table: what is done to which server, and what must hold.  `run.py` measures it and
prints it.  Load and servers are those of `fivefold compare`.  It needs Linux, root, and a machine
that has nothing else to do; `make reliability`.
"""
