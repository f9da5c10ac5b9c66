"""The index beside a log: which bytes came when, on which stream; one record of fixed size per chunk."""

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

_RECORD = struct.Struct("<QQQQQ")
_BATCH = 4096

RECORD_SIZE = _RECORD.size


class Stream(IntEnum):
    """Where bytes of a log come from."""

    NOTICE = 0  # our own words, such as a gap
    STDOUT = 1
    STDERR = 2


class Record(NamedTuple):
    """One chunk: ``length`` bytes at ``offset`` of the log, received at ``time`` (microseconds since 1970, UTC).

    ``raw`` is how many bytes of its stream had been received by then, of which less may be in the log: some may become
    a secret, and others did.
    """

    offset: int
    length: int
    time: int
    stream: int
    raw: int = 0

    @property
    def end(self) -> int:
        """The offset after the chunk."""
        return self.offset + self.length

    def pack(self) -> bytes:
        """Return the record as it is kept."""
        return _RECORD.pack(*self)


def log_file(path: Path) -> Path:
    """Return where the bytes of the log ``path`` are."""
    return path.with_name(path.name + ".log")


def index_file(path: Path) -> Path:
    """Return where the index of the log ``path`` is."""
    return path.with_name(path.name + ".idx")


def records(index: int, first: int, end: int) -> Iterator[Record]:
    """Yield the records ``first`` to ``end`` (not included) of an open index, or those that are there."""
    while first < end:
        data = os.pread(index, min(_BATCH, end - first) * RECORD_SIZE, first * RECORD_SIZE)
        whole = len(data) // RECORD_SIZE
        if not whole:
            return
        yield from map(Record._make, _RECORD.iter_unpack(data[: whole * RECORD_SIZE]))
        first += whole


class Extent(NamedTuple):
    """How far a log and its index agree: ``records`` records cover ``indexed`` of the log's ``size`` bytes."""

    records: int
    indexed: int
    size: int


def extent(index: int, log: int) -> Extent:
    """Compare an open index with its open log.

    A death between the two writes of a chunk leaves bytes without a record; a loss of power, records without bytes.
    """

    def end(number: int) -> int:
        return next(records(index, number, number + 1)).end

    size = os.fstat(log).st_size
    whole = os.fstat(index).st_size // RECORD_SIZE
    sound = bisect_right(range(whole), size, key=end)
    return Extent(sound, end(sound - 1) if sound else 0, size)
