"""One append-only file of masked bytes per attempt, with its index, written by the thread that reads containers."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Lock

from runner.clock import Clock, SystemClock
from runner.logs.index import RECORD_SIZE, Record, Stream, extent, index_file, log_file, records
from runner.logs.markers import MARKER, Redactor
from runner.logs.mask import SHORTEST, Mask
from runner.naming import file_name

_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class Changes:
    """Tells waiting viewers that something was written; costs the writer about a microsecond."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self.version = 0

    def bump(self) -> None:
        """Wake everybody who waits."""
        with self._condition:
            self.version += 1
            self._condition.notify_all()
        for listener in self._listeners:
            listener()

    @contextmanager
    def heard(self, listener: Callable[[], None]) -> Iterator[None]:
        """Have ``listener`` called at every change until the end of the block, from any thread; it must be quick."""
        with self._condition:
            self._listeners = (*self._listeners, listener)
        try:
            yield
        finally:
            with self._condition:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

    def wait(self, seen: int, timeout: float | None = None) -> bool:
        """Wait until ``version`` is no longer ``seen``, or for ``timeout`` seconds; return whether it has moved."""
        with self._condition:
            return self._condition.wait_for(lambda: self.version != seen, timeout)


class StepLog:
    """The log of one attempt, open for writing.

    Its methods may be called from any thread and never raise: when the disk fails, ``problem`` says so in a sentence,
    nothing more is kept of this log, and the step goes on. What comes after ``close`` is ignored, since the attempt has
    ended. ``records``, ``closed`` and ``problem`` may be read at any time; ``records`` chunks are whole on disk.
    """

    def __init__(self, name: str, path: Path, *, mask: Mask, changes: Changes, clock: Clock) -> None:
        self.name = name
        self.path = path
        self.records = 0
        self.closed = False
        self.problem: str | None = None
        self._lock = Lock()
        self._mask = mask
        self._redactors: dict[int, Redactor] = {stream: Redactor(mask) for stream in Stream}
        self._refused = False
        self._changes = changes
        self._clock = clock
        self._offset = 0
        self._raw: dict[int, int] = {}
        self._kept: dict[int, int] = {}
        self._files: list[int] = []
        try:
            self._resume()
        except OSError as error:
            self._stop(error)

    def write(self, stream: int, data: bytes) -> None:
        """Keep a chunk of ``Stream.STDOUT`` or ``Stream.STDERR``.

        It can be followed when this returns, but for an end that may become a secret, or announces one (``Redactor``).
        """
        with self._lock:
            redactor = self._redactors[stream]
            raw = self._raw.get(stream, 0)
            kept = min(len(data), max(0, self._kept.get(stream, 0) - raw))
            if kept:
                redactor.feed(data[:kept])  # it may announce secrets; what it shows is there already
            self._raw[stream] = raw + len(data)
            self._append(stream, redactor.feed(data[kept:] if kept else data))
            self._refuse(redactor)

    @property
    def ends_a_line(self) -> bool:
        """Whether a line has come to its end of which the file has only a part by now."""
        return any(redactor.ends_a_line for redactor in self._redactors.values())

    def anew(self) -> None:
        """Take what follows as the output from its first byte on: what an earlier process kept is not kept twice."""
        with self._lock:
            for record in records(self._files[1], 0, self.records) if self._files else ():
                self._kept[record.stream] = record.raw
            self._raw.clear()

    def gap(self, reason: str) -> None:
        """State, in a line of our own, that output is missing here."""
        with self._lock:
            for stream, redactor in self._redactors.items():
                self._append(stream, redactor.cut())
            words = " ".join(self._mask.redact(reason).split())
            self._notice(f"output is missing here: {words}")

    def close(self) -> None:
        """Write what was held back, and end the log; closing twice is closing once."""
        with self._lock:
            if self.closed:
                return
            for stream, redactor in self._redactors.items():
                self._append(stream, redactor.finish())
                self._refuse(redactor)
            self._tell_problem()
            while self._files:
                try:
                    os.close(self._files.pop())
                except OSError as error:  # a network file system may say only now that it is full
                    self._stop(error)
            self.closed = True
        self._changes.bump()

    def _tell_problem(self) -> None:
        """Say in the file what is missing, if the disk has room again."""
        problem, before = self.problem, self.records
        if problem is None or not self._files:
            return
        log, index = self._files
        try:
            os.ftruncate(log, self._offset)  # what was written of a chunk that is not in the index
            os.ftruncate(index, before * RECORD_SIZE)
        except OSError:
            return
        self.problem = None
        self._notice(problem)
        if self.records == before:
            self.problem = problem

    def _refuse(self, redactor: Redactor) -> None:
        """Say once that a step has announced a secret that is not masked."""
        if redactor.refused and not self._refused:
            self._refused = True
            self._notice(f"a value of {MARKER.decode()} is too short to be masked: it has less than {SHORTEST} bytes")

    def _notice(self, words: str) -> None:
        self._append(Stream.NOTICE, f"runner: {words}\n".encode("utf-8", "replace"))

    def _resume(self) -> None:
        """Open both files; what an earlier writer left is kept, and made whole where it died in the middle."""
        self._files.append(os.open(log_file(self.path), _APPEND, 0o600))
        self._files.append(os.open(index_file(self.path), _APPEND, 0o600))
        log, index = self._files
        found = extent(index, log)
        os.ftruncate(index, found.records * RECORD_SIZE)
        self.records, self._offset = found.records, found.indexed
        if found.size > found.indexed:
            self._record(Stream.STDOUT, found.size - found.indexed)

    def _append(self, stream: int, data: bytes) -> None:
        if not data or self.closed or self.problem:
            return
        rest = memoryview(data)
        try:
            while rest:
                written = os.write(self._files[0], rest)
                self._record(stream, written)
                rest = rest[written:]
        except OSError as error:
            self._stop(error)
        self._changes.bump()

    def _record(self, stream: int, length: int) -> None:
        """Index the bytes that were just written: readers see them from here on."""
        time = int(self._clock.now().timestamp() * 1_000_000)
        record = Record(self._offset, length, time, stream, self._raw.get(stream, 0))
        if os.write(self._files[1], record.pack()) != RECORD_SIZE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._offset += length
        self.records += 1

    def _stop(self, error: OSError) -> None:
        self.problem = f"the output from here on could not be kept: {error.strerror}"


class LogBook:
    """The logs of one run, in one directory."""

    def __init__(self, directory: Path, mask: Mask, *, clock: Clock | None = None) -> None:
        """Make the directory if it is missing; raises OSError where that fails."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.changes = Changes()
        self._directory = directory
        self._mask = mask
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._logs: list[StepLog] = []
        self._current: dict[str, StepLog] = {}

    def path(self, name: str) -> Path:
        """Return where the log ``name`` is, without the suffixes of its files; ``name`` may be any text."""
        return self._directory / file_name(name)

    def open(self, name: str) -> StepLog:
        """Open a log; one that exists is continued, and whoever wrote it before writes no more."""
        with self._lock:
            before = self._current.get(name)
            if before:
                before.close()
            log = StepLog(name, self.path(name), mask=self._mask, changes=self.changes, clock=self._clock)
            self._current[name] = log
            self._logs.append(log)
        if before and before.problem:
            log.gap(before.problem)
        self.changes.bump()
        return log

    def holds(self, name: str) -> bool:
        """Whether anything has been kept of the log ``name``."""
        try:
            return log_file(self.path(name)).stat().st_size > 0
        except OSError:
            return False

    def recall(self, names: Iterable[str]) -> None:
        """Let readers see logs that an earlier process has written; of those that are not there, nothing."""
        for name in names:
            if log_file(self.path(name)).exists():
                self.open(name).close()

    def hide(self, value: str) -> bool:
        """Mask a secret from now on, in every form in which it may be printed; False for one that is too short."""
        return self._mask.hide(value.encode("utf-8", "surrogateescape"))

    def opened(self, since: int = 0) -> list[StepLog]:
        """Return the logs in the order in which they were opened, without the first ``since``."""
        with self._lock:
            return self._logs[since:]

    def close(self) -> None:
        """Close every log; closing twice is closing once."""
        for log in self.opened():
            log.close()
