"""The journal of ``exec``: one file of JSON lines, readable with ``tail -f`` and ``jq``.

Each line is an object: ``{"epoch": n}`` when a driver takes over, else an entry. Lines are appended under a lock on the
file, so drivers of different processes see each other. A last line without its newline is a torn one and is dropped.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.engine.journal import Course, Entry, Writer, superseded
from runner.errors import InfrastructureError
from runner.naming import Address
from runner.plan.status import Status
from runner.records import record


class JsonLines:
    """A journal in a file. The file is made when it is first written; its directory must exist."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> Writer:
        """Become the driver.

        Raises:
            InfrastructureError: the file cannot be written or read, or is damaged.
        """
        with _locked(self._path) as file:
            content = _content(self._path, file)
            os.ftruncate(file, content.end)
            epoch = content.epoch + 1
            return _FileWriter(self._path, epoch, content.end + _write(file, {"epoch": epoch}), Course(content.entries))

    def read(self) -> tuple[Entry, ...]:
        """Return all entries; none when there is no file yet.

        Raises:
            InfrastructureError: the file cannot be read, or is damaged.
        """
        if not self._path.exists():
            return ()
        with _locked(self._path) as file:
            return _content(self._path, file).entries


@dataclass
class _FileWriter:
    path: Path
    epoch: int
    _end: int
    _course: Course

    def append(self, entry: Entry) -> None:
        with _locked(self.path) as file:
            self._mend(file)
            self._course.check(entry)
            self._end += _write(file, _document(entry))
            self._course.apply(entry)

    def confirm(self) -> None:
        with _locked(self.path) as file:
            self._mend(file)

    def _mend(self, file: int) -> None:
        """See to it that the file ends where this writer's last entry does."""
        if os.fstat(file).st_size == self._end:
            return
        # Only another driver, or a write of ours that was cut off, can have changed the file.
        content = _content(self.path, file)
        if content.epoch > self.epoch:
            raise superseded(self.epoch, content.epoch)
        os.ftruncate(file, content.end)
        self._end = content.end


@record
class _Content:
    """What the complete lines say; ``epoch`` is the newest, or 0, and ``end`` the offset behind the last of them."""

    entries: tuple[Entry, ...]
    epoch: int
    end: int


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)
    except OSError as error:
        raise InfrastructureError(f"journal {path}: {error.strerror}", hint="is the disk full?") from error


def _content(path: Path, file: int) -> _Content:
    data = os.pread(file, os.fstat(file).st_size, 0)
    end = data.rfind(b"\n") + 1
    entries: list[Entry] = []
    epoch = 0
    for number, line in enumerate(data[:end].splitlines(), 1):
        try:
            document = json.loads(line)
            if "status" in document:
                entries.append(_entry(document))
            else:
                epoch = max(epoch, document["epoch"])
        except (ValueError, TypeError, LookupError) as error:
            raise InfrastructureError(f"journal {path}: line {number} is damaged: {error!r}") from error
    return _Content(entries=tuple(entries), epoch=epoch, end=end)


def _write(file: int, document: dict[str, Any]) -> int:
    line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    if os.write(file, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a short write to a file means a full disk
    return len(line)


def _document(entry: Entry) -> dict[str, Any]:
    address = entry.address
    branches = {} if entry.branches is None else {"branches": entry.branches}
    return {
        "at": round(entry.at, 6),
        "run": address.run,
        "stage": address.stage,
        "step": address.step,
        "round": address.round,
        "attempt": address.attempt,
        "status": str(entry.status),
        "exit_code": entry.exit_code,
        "reason": entry.reason,
        **branches,
    }


def _entry(line: dict[str, Any]) -> Entry:
    return Entry(
        address=Address(line["run"], line["stage"], line["step"], line["round"], line["attempt"]),
        status=Status(line["status"]),
        at=line["at"],
        exit_code=line["exit_code"],
        reason=line["reason"],
        branches=line.get("branches"),
    )
