"""Trying: what blocking, nonblocking, multiplexing and sigio have in common.

Facts.        Four of Stevens' five models differ only in how they wait until a call is
              worth trying; in the copy phase all four make the same call (UNP 6.2).
              On CPython 3.11 a call that fails with EAGAIN costs 1.3 us for the
              exception alone, more than the system call itself.
Consequence.  The trying can be written once, and must not be done blindly.
Choice.       An operation waits first unless a *hint* says that trying is worth while;
              a call that moved fewer bytes than it could has emptied (or filled) the
              kernel's buffer, so the next one waits again.  A hint is never required
              for correctness and never trusted: EAGAIN only means waiting again.
              A coroutine that never has to wait yields its turn after a burst (`BURST`), and then
              looks at its deadline: others find only those that wait.  What failed for want of
              memory is tried again after a pause, because no event will tell of it.
Cost.         A connection on which bytes arrive between two calls of `recv` is noticed
              by the model's next wait, one turn later.  A burst costs a turn: 3 us.

Waiting is a `yield` of the connection's `reader` or `writer`; the model decides what
happens next.
"""
