r"""Reading logs back: of many steps while they run, or one as a whole; in blocks, since lines come by the million.

A printer prefixes a block with one call: ``prefix + data.replace(b"\n", b"\n" + prefix)``, less the last prefix.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from pathlib import Path

from runner.logs.files import LogBook, StepLog
from runner.logs.index import Record, Stream, extent, index_file, log_file, records
from runner.logs.lines import Lines

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST = 128 * 1024
"""As much is read and given at once: larger blocks leave the caches, and their memory is asked for anew each time."""
_SAME_TIME = 10_000
"""Chunks that came within so many microseconds are given as one block."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Complete lines of one stream of one log; ``data`` ends with a newline, ``time`` is when its first chunk came."""

    log: str
    stream: Stream
    time: datetime
    data: bytes


class _Run:
    """Neighbouring records of one stream that came at about the same time: read and given as one."""

    def __init__(self, cursor: "_Cursor", record: Record) -> None:
        self.cursor = cursor
        self.first = record
        self.length = record.length
        self.count = 1

    def takes(self, cursor: "_Cursor", record: Record) -> bool:
        """Add the record that follows, if it belongs here."""
        fits = (
            cursor is self.cursor
            and record.stream == self.first.stream
            and record.time - self.first.time <= _SAME_TIME
            and self.length + record.length <= _LARGEST
        )
        if fits:
            self.length += record.length
            self.count += 1
        return fits


class _Cursor:
    """How far one log has been read."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.position = 0
        self._time = 0
        self._lines = {stream: Lines() for stream in Stream}
        self._files: list[int] = []

    def open(self) -> tuple[int, int]:
        """Return the descriptors of log and index; raises OSError."""
        if not self._files:
            for file in (log_file(self.path), index_file(self.path)):
                self._files.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
        log, index = self._files
        return log, index

    def close(self) -> None:
        while self._files:
            os.close(self._files.pop())

    def records(self, end: int) -> Iterator[tuple["_Cursor", Record]]:
        """Yield the records from the position to ``end``; the position moves when they are read as a run."""
        if self.position < end:
            _, index = self.open()
            for record in records(index, self.position, end):
                yield self, record

    def read(self, run: _Run) -> Iterator[Block]:
        """Yield the lines that a run completes, and go beyond it."""
        log, _ = self.open()
        self.position += run.count
        self._time = run.first.time
        stream = Stream(run.first.stream)
        if stream is Stream.NOTICE:
            yield from self.rest()
        end = run.first.offset + run.length
        for offset in range(run.first.offset, end, _LARGEST):
            yield from self._block(stream, self._lines[stream].feed(_read(log, offset, min(_LARGEST, end - offset))))

    @property
    def incomplete(self) -> bool:
        """Whether there is a line that has no end yet."""
        return any(lines.incomplete for lines in self._lines.values())

    def rest(self) -> Iterator[Block]:
        """Yield the lines that have no end, as if they had one."""
        for stream, lines in self._lines.items():
            yield from self._block(stream, lines.finish())

    def notice(self, text: str) -> Iterator[Block]:
        """Yield words of our own that are not in the file."""
        yield from self.rest()
        yield from self._block(Stream.NOTICE, f"runner: {text}\n".encode("utf-8", "replace"))

    def _block(self, stream: Stream, data: bytes) -> Iterator[Block]:
        if data:
            yield Block(log=self.name, stream=stream, time=_EPOCH + timedelta(microseconds=self._time), data=data)


def _read(log: int, offset: int, length: int) -> bytes:
    """Read ``length`` bytes, or as many as there are: somebody may have cut the file."""
    data = os.pread(log, length, offset)
    while len(data) < length and (more := os.pread(log, length - len(data), offset + len(data))):
        data += more
    return data


def _runs(arrived: Iterable[tuple[_Cursor, Record]]) -> Iterator[_Run]:
    run: _Run | None = None
    for cursor, record in arrived:
        if run is None or not run.takes(cursor, record):
            if run:
                yield run
            run = _Run(cursor, record)
    if run:
        yield run


class Follower:
    """Reads all logs of a book as they grow, those that are opened later too; for one thread.

    A viewer alternates ``wait`` and ``poll``; it reads files, so however slow it is, no step waits for it.
    """

    def __init__(self, book: LogBook) -> None:
        self._book = book
        self._seen = -1
        self._taken = 0
        self._cursors: dict[str, _Cursor] = {}
        self._growing: dict[str, StepLog] = {}
        self._noticed: set[StepLog] = set()
        self._whole: dict[str, int] = {}

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there may be something that ``poll`` has not given, or for ``timeout`` seconds."""
        return self._book.changes.wait(self._seen, timeout)

    def poll(self, *, partial: bool = False) -> Iterator[Block]:
        """Yield all lines that are there, in order of arrival over all logs; raises OSError when a file is gone.

        A last line without its end comes when its log is closed, or at once with ``partial``; but not one that has its
        end, which may still become part of a secret.
        """
        self._seen = self._book.changes.version
        self._take()
        # The newest is asked first how long it is: what it got when an older one was closed does not come before the
        # end of that one. What is closed and no longer than then is whole.
        ends = {name: self._end(log) for name, log in reversed(self._growing.items())}
        closed = [name for name, log in self._growing.items() if log.closed and self._end(log) == ends[name]]
        self._whole = {name: ends[name] for name in closed}
        for name in closed:
            if self._cursors[name].position == ends[name]:
                yield from self._cursors[name].rest()
        arrived = [self._cursors[name].records(ends[name]) for name in self._growing]
        for run in _runs(merge(*arrived, key=lambda item: item[1].time)):
            yield from run.cursor.read(run)
            if run.cursor.name in closed and run.cursor.position == ends[run.cursor.name]:
                yield from run.cursor.rest()  # before the lines of what may have begun when this had ended
        for name, log in self._growing.items():
            flush = partial and not log.ends_a_line
            yield from self._ending(log, self._cursors[name], flush=flush)
        for name in closed:
            del self._growing[name]
            self._cursors[name].close()

    def follows(self, name: str) -> bool:
        """Whether more may come of a log, after the block of it that ``poll`` has given last."""
        if name not in self._growing:
            return False
        cursor, whole = self._cursors[name], self._whole.get(name)
        return whole is None or cursor.position < whole or cursor.incomplete

    def close(self) -> None:
        """Close the files; the follower cannot be used again."""
        for cursor in self._cursors.values():
            cursor.close()

    def _take(self) -> None:
        """Follow what has been opened since, a log that was opened again from where it had been read to."""
        fresh = self._book.opened(self._taken)
        self._taken += len(fresh)
        for log in fresh:
            self._growing[log.name] = log
            self._cursors.setdefault(log.name, _Cursor(log.name, log.path))

    def _end(self, log: StepLog) -> int:
        """Return up to which record a log is given: not the problem at its end, if that has been told already."""
        return log.records - (log in self._noticed and log.problem is None)

    def _ending(self, log: StepLog, cursor: _Cursor, *, flush: bool) -> Iterator[Block]:
        problem = log.problem
        if problem and log not in self._noticed:
            self._noticed.add(log)
            yield from cursor.notice(problem)
        elif flush:
            yield from cursor.rest()


def read(path: Path, name: str = "") -> Iterator[Block]:
    """Yield a log that nobody writes any more, in order; ``path`` as ``LogBook.path`` gives it.

    Bytes that a crash left without a record count as standard output. Raises OSError when there is no such log.
    """
    cursor = _Cursor(name, path)
    try:
        log, index = cursor.open()
        found = extent(index, log)
        for run in _runs(cursor.records(found.records)):
            yield from cursor.read(run)
        if found.size > found.indexed:
            time = int(os.fstat(log).st_mtime * 1_000_000)
            orphan = Record(found.indexed, found.size - found.indexed, time, Stream.STDOUT)
            yield from cursor.read(_Run(cursor, orphan))
        yield from cursor.rest()
    finally:
        cursor.close()
