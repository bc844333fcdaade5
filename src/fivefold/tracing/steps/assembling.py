"""From observations to eleven steps: which actor had the request when.

The time from the client's first byte to its last is cut into the steps, one after the
other.  Each cut is something that was seen: an event of the kernel, a time stamp of a
socket, or our clock around a call, in this order of preference.  A step that nothing
shows takes no time and says so; the time stays with the neighbour that was seen.  So the
steps add up to the whole, in order, and no figure was derived from what should have been.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..kernel.disk_waits import SUBMITTED, disk_waits
from ..kernel.off_cpu import has_processor
from ..kernel.packets import CLIENT, SERVER, TOWARDS
from ..model import STEPS, Evidence, Observation, Step
from .page_waits import BEGUN, ENDED, counted, pages_missing, refused, seen_missing
from .proofs import HAND_OVER, proves
from .timeline import Timeline

UNSEEN = "cannot be told apart here: the kernel's trace events need root and tracefs"
NOT_APART = "none of the kernel's events tells it apart from its neighbour"
NOTHING_SEEN = "nothing was seen of it alone: what time it took is in the next step"
NO_FILE = "no file was asked for: {}"
NOT_READ = "an application answered, or a folder from memory"
"""The server does not tell them apart: a folder's 404 and 304 are made without a file, too."""
NOT_THERE = "there is no such file, or none that may be sent"
NOT_SENT = "nothing of the file is sent with this answer"
IN_MEMORY = "the pages were in memory already ({})"
INDISTINCT = "a disk had to be read ({}), but nothing here tells the disk from the send"
NOT_KNOWN = "no disk was seen, but whether one was read is not known: {}"
NO_COPY = "sendfile(2) makes no copy to the process"
HANDED_OVER = "the kernel (or glibc's thread) copies while it reads: the completion tells of both"

LEAVES = ("sendfile64.exit", "send_file.end", "read_file.end")
"""The body of the response leaves, or could; what the disk did later is not the first step."""

GIVES = ("syscalls:sys_enter_sendto", "syscalls:sys_enter_write", SUBMITTED)
"""Bytes are given to the kernel in the middle of an operation, by a helper or by a ring."""

AT_INTERFACE = ("net:netif_rx", "net:net_dev_xmit", "TX_SND")


def moment(seen: Observation) -> int:
    return seen.at_ns


class Assembly:
    """Cuts one timeline; `steps` is the result."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._at = timeline.start_ns
        by_kernel = any(o.source == "tracefs" for o in timeline.all)
        self._unseen = NOT_APART if by_kernel else UNSEEN
        self._waits = disk_waits(timeline.all, timeline.end_ns)
        self.steps: list[Step] = []
        self._arrival()
        self._file()
        self._response()

    def _until(
        self, end_ns: int | None, why_not: str | None = None, also: Iterable[Observation] = ()
    ) -> None:
        """The next step takes the time until then; none, if that is None or past.

        `also`: what it rests on, seen at another time or proof of another step as well.
        """
        kind = STEPS[len(self.steps)]
        start = self._at
        evidence: tuple[Evidence, ...] = ()
        if why_not is None and end_ns is not None:
            self._at = min(max(start, end_ns), self._timeline.end_ns)
            evidence = self._evidence(kind.number, start, also)
            if not evidence and kind.number < len(STEPS):
                self._at, why_not = start, NOTHING_SEEN  # the next one has its time
        happened = why_not is None and end_ns is not None
        self.steps.append(
            Step(
                step=kind.number,
                name=kind.name,
                happened=happened,
                why_not=None if happened else (why_not or self._unseen),
                start_us=self._timeline.us(start),
                duration_us=(self._at - start) / 1000,
                evidence=evidence,
            )
        )

    def _evidence(
        self, number: int, start: int, also: Iterable[Observation]
    ) -> tuple[Evidence, ...]:
        within = self._timeline.within(start, self._at)
        shown = [o for o in within if proves(o, number) and o not in also]
        return tuple(map(self._timeline.evidence, sorted([*also, *shown], key=moment)))

    def _arrival(self) -> None:
        """Steps 1 to 3: until the server has the whole request."""
        timeline = self._timeline
        asked = timeline.first("content.enter") or timeline.first(*HAND_OVER)
        got = timeline.last("recv.end", before=asked.at_ns if asked else None)
        got_ns = got.at_ns if got else timeline.end_ns
        sent = timeline.last("client.send.enter", before=got_ns)
        begun = sent.at_ns if sent else timeline.start_ns
        reached = next(iter(self._packets(SERVER, *AT_INTERFACE, after=begun, before=got_ns)), None)
        left = timeline.first("client.send.exit", after=begun)
        self._until(min(reached.at_ns if reached else left.at_ns if left else got_ns, got_ns))
        ready = self._packets(SERVER, "sock:sk_data_ready", after=self._at, before=got_ns)
        self._until(ready[-1].at_ns if ready else None)
        self._until(got_ns)

    def _packets(self, towards: str, *events: str, **span: int | None) -> list[Observation]:
        """What was seen of packets (of any, where it is not known where they went)."""
        return [
            seen
            for seen in self._timeline.of(*events, **span)  # type: ignore[arg-type]
            if seen.detail.get(TOWARDS, towards) == towards
        ]

    def _file(self) -> None:
        """Steps 4 to 8: the second I/O of the request."""
        timeline, got_ns = self._timeline, self._at
        read = timeline.first("read_file.begin", after=got_ns)
        sendfile = timeline.first("send_file.begin", after=got_ns)
        asked = read or sendfile
        if asked is None:
            self._no_file()
            return
        done_event = "read_file.end" if read else "sendfile64.enter"
        done = timeline.first(done_event, after=asked.at_ns) or asked
        opened = timeline.first("open.exit", after=got_ns, before=asked.at_ns)
        self._until(asked.at_ns if opened or read or sendfile else None)
        self._disk(asked, done)
        if read:
            self._until(done.at_ns)
        else:
            by_others = timeline.first("sendfile64.enter") is None
            self._until(None, HANDED_OVER if by_others else NO_COPY)

    def _no_file(self) -> None:
        timeline = self._timeline
        why = "the response was in memory" if is_from_memory(timeline) else NOT_READ
        if timeline.first("content.enter") is None:
            why = "the server refused the request"
        opened = timeline.last("open.exit", after=self._at, before=timeline.end_ns)
        if opened is not None:
            self._until(opened.at_ns)
            why_not = NOT_THERE if "error" in opened.detail else NOT_SENT
        else:
            why_not = NO_FILE.format(why)
            self._until(None, why_not)
        for _ in range(4):
            self._until(None, why_not)

    def _disk(self, asked: Observation, done: Observation) -> None:
        """Steps 5 to 7: whether the disk had to be asked, and how long it took."""
        timeline = self._timeline
        begun = timeline.first(*LEAVES, after=asked.at_ns)
        limit = max(done.at_ns, begun.at_ns if begun else 0)
        read = [end for start, end in self._waits if asked.at_ns <= start <= limit][:1]
        leaves = [one for one in timeline.of(*GIVES, after=max(read)) if gives(one)] if read else []
        if leaves:  # the operation reads and sends in turns: this is the first of them
            limit = min(limit, leaves[0].at_ns)
        span: dict[str, int] = {"after": asked.at_ns, "before": limit}
        issued = timeline.first("block:block_rq_issue", **span)
        complete = timeline.last("block:block_rq_complete", **span)
        waits = [w for w in self._waits if asked.at_ns <= w[0] <= limit]
        if waits or (issued and complete):
            start = min([w[0] for w in waits[:1]] + ([issued.at_ns] if issued else []))
            end = max([w[1] for w in waits] + ([complete.at_ns] if complete else []))
            self._until(start)
            self._until(end)
            self._until(self._resumed(asked, end, limit))
        else:
            self._unseen_disk(done)

    def _resumed(self, asked: Observation, after: int, before: int) -> int | None:
        """When the thread that had asked got a processor again."""
        tid = asked.detail.get("tid")
        later = self._timeline.within(after, before)
        return next((one.at_ns for one in later if has_processor(one, int(tid or 0))), None)

    def _unseen_disk(self, done: Observation) -> None:
        """Without the kernel's events: what the server waited for, and what others counted."""
        timeline = self._timeline
        if not pages_missing(timeline):
            for _ in range(3):
                self._until(None, self._no_disk())
            return
        stat = timeline.first("cachestat")
        shown = [stat] if stat is not None and seen_missing(timeline) is stat else []
        shown += timeline.of("accounting") if counted(timeline) else []
        asked_ns, by_read = self._at, done.event == "read_file.end"
        begun = timeline.first(BEGUN, after=asked_ns, before=done.at_ns)
        ended = done if by_read else timeline.last(ENDED, after=asked_ns, before=done.at_ns)
        self._until(begun.at_ns if begun else None)
        self._until(ended.at_ns if ended else None, None if ended else self._indistinct(), shown)
        self._until(None)

    def _no_disk(self) -> str:
        reason = refused(self._timeline)
        return NOT_KNOWN.format(reason) if reason else IN_MEMORY.format(self._by_cachestat())

    def _indistinct(self) -> str:
        return INDISTINCT.format(self._by_cachestat())

    def _by_cachestat(self) -> str:
        stat = self._timeline.first("cachestat")
        if stat is None or "cached" not in stat.detail:
            return f"the thread's counters saw {'a' if counted(self._timeline) else 'no'} disk"
        return f"cachestat: {stat.detail['cached']} of {stat.detail['pages']} pages"

    def _response(self) -> None:
        """Steps 9 to 11: until the client has it."""
        timeline, since = self._timeline, self._at
        given = timeline.last("sendto.enter", "sendfile64.enter", after=since)
        given = given or timeline.last("send.begin", "send_file.begin", after=since)
        left = {"after": given.at_ns if given else since, "before": timeline.end_ns}
        queued = next(reversed(self._packets(CLIENT, "net:net_dev_queue", **left)), None)
        arrived = timeline.last("RX", after=since)
        cut = given or queued or arrived or timeline.all[-1]
        self._until(cut.at_ns, also=[cut] if cut.at_ns <= timeline.end_ns else ())
        self._until(arrived.at_ns if arrived else None)
        self._until(timeline.end_ns)


def gives(seen: Observation) -> bool:
    """Whether one of `GIVES` does: a ring is given reads as well."""
    return seen.event != SUBMITTED or str(seen.detail["fields"].get("opcode", "")).startswith(
        "SEND"
    )


def is_from_memory(timeline: Timeline) -> bool:
    """Whether the server had the whole response ready."""
    return any(one.detail.get("from") == "memory" for one in timeline.of("content.exit"))


def assembled(timeline: Timeline) -> tuple[Step, ...]:
    """The eleven steps."""
    return tuple(Assembly(timeline).steps)
