"""The load: compare's wrk with a row's script, or the websockets' in wrk's place.

wrk is a closed loop: each connection sends its next request when the answer is there.
Its percentiles therefore describe a server at its limit, not one at a given rate.
"""

from __future__ import annotations

import sys

import files
from rows import Row
from servers import HERE, server

from fivefold.errors import LoadFailed
from fivefold.load.job import Job
from fivefold.load.tally import Tally
from fivefold.load.wrk import Wrk


class RowLoad(Wrk):
    """What one row asks for; before each run one answer is looked at, because wrk does not."""

    def __init__(self, row: Row, core: int) -> None:
        self._scheme = server(row.server).scheme
        url = f"{self._scheme}://{{}}:{{}}{row.path}"
        script = HERE / row.script if row.script else None
        self._is_wrk = script is None or script.suffix == ".lua"
        if script is not None and not self._is_wrk:
            super().__init__(core, program=(sys.executable, str(script)), url=url, script="")
        else:
            super().__init__(core, url=url, script=script.read_text() if script else "")
        self._path = row.path

    def prepare(self, job: Job) -> None:
        """Raises `LoadFailed`, as `collect`."""
        self.check(job)
        super().prepare(job)

    def check(self, job: Job) -> None:
        if self._is_wrk:  # the other load looks at every answer
            files.check(job, self._path, self._scheme)

    def collect(self) -> Tally:
        tally = super().collect()
        if not tally.requests:
            raise LoadFailed("not one request was answered")
        return tally
