"""Secrets are replaced before bytes touch a disk, a terminal or a browser, wherever a chunk happens to end.

All secrets are searched for at once by their first bytes (*anchors*) with RE2, whose speed hardly depends on how many
there are (about 600 MB/s with four as with a thousand; ``re`` falls to 12 MB/s with a hundred). Only where an anchor
stands is a secret compared. RE2 over whole secrets would be simpler, but exhausts its memory on a few hundred long
ones and then crawls.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

import re2

MASK = b"***"
SHORTEST = 4
"""A shorter value is not masked: it would tear holes into ordinary text."""

_WIDEST_ANCHOR = 8
_RE2_MEMORY = 256 * 1024 * 1024
_GROWS = -1


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A fixed set of secrets, ready to be searched for.

    ``width`` is the length of all anchors, ``find`` gives the next position of any, ``needles`` the secrets of an
    anchor from long to short, ``beginnings`` every incomplete anchor.
    """

    width: int
    find: Callable[[bytes, int], int]
    needles: Mapping[bytes, tuple[bytes, ...]]
    beginnings: frozenset[bytes]

    def replace(self, data: bytes, *, final: bool) -> tuple[bytes, bytes]:
        """Return what can be shown of ``data``, and the end of it that more data may turn into a secret.

        The leftmost secret is replaced, and of several at one place the longest. With ``final`` no more data come.
        """
        pieces: list[bytes] = []
        shown = at = 0
        while (at := self.find(data, at)) >= 0:
            length = self._match(data, at, final=final)
            if length == _GROWS:
                break
            if length:
                pieces += (data[shown:at], MASK)
                shown = at + length
            at += length or 1
        held = at if at >= 0 else self._incomplete(data, shown, final=final)
        if not pieces and held == len(data):
            return data, b""
        pieces.append(data[shown:held])
        return b"".join(pieces), data[held:]

    def _match(self, data: bytes, at: int, *, final: bool) -> int:
        """Return the length of the secret at the anchor ``at``, 0 if there is none, ``_GROWS`` if it is undecided."""
        for needle in self.needles[data[at : at + self.width]]:
            if data.startswith(needle, at):
                return len(needle)
            if not final and at + len(needle) > len(data) and needle.startswith(data[at:]):
                return _GROWS
        return 0

    def _incomplete(self, data: bytes, shown: int, *, final: bool) -> int:
        """Return where an anchor begins that the end of ``data`` cuts off, else the end."""
        if not final:
            for at in range(max(shown, len(data) - self.width + 1), len(data)):
                if data[at:] in self.beginnings:
                    return at
        return len(data)


def _table(needles: Iterable[bytes]) -> _Table:
    longest_first = sorted(needles, key=len, reverse=True)
    width = min(len(longest_first[-1]), _WIDEST_ANCHOR)
    by_anchor: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for needle in longest_first:
        by_anchor[needle[:width]].append(needle)
    return _Table(
        width=width,
        find=_finder(by_anchor),
        needles={anchor: tuple(found) for anchor, found in by_anchor.items()},
        beginnings=frozenset(anchor[:length] for anchor in by_anchor for length in range(1, width)),
    )


def _finder(anchors: Iterable[bytes]) -> Callable[[bytes, int], int]:
    """Return a function that finds the first of ``anchors`` in data from a position on, or -1."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _RE2_MEMORY
    options.never_capture = True
    pattern = re2.compile(b"|".join(re2.escape(anchor) for anchor in anchors), options)

    def find(data: bytes, begin: int) -> int:
        hit = pattern.search(data, begin)
        return int(hit.start()) if hit else -1

    return find


class Mask:
    """The secrets of a run: a set that only grows, shared by all threads and all streams."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._needles: set[bytes] = set()
        self._table: _Table | None = None
        self._stale = False

    def add(self, value: bytes) -> bool:
        """Mask ``value`` from now on.

        Returns False for a value of 1 to 3 bytes, which is not masked, so that the caller can warn. An empty value is
        nothing to mask.
        """
        if len(value) < SHORTEST:
            return not value
        with self._lock:
            if value not in self._needles:
                self._needles.add(value)
                self._stale = True
        return True

    def redact(self, text: str) -> str:
        """Return a whole text with its secrets replaced: for messages, events and JSON."""
        table = self.table()
        if table is None:
            return text
        try:
            data, errors = text.encode("utf-8", "surrogateescape"), "surrogateescape"
        except UnicodeEncodeError:  # half a surrogate pair, as JSON can spell it
            data, errors = text.encode("utf-8", "surrogatepass"), "surrogatepass"
        shown, _ = table.replace(data, final=True)
        return text if shown is data else shown.decode("utf-8", errors)

    def table(self) -> _Table | None:
        """Return the secrets as they stand now, None when there are none; the maskers ask this for every chunk."""
        if self._stale:
            with self._lock:
                self._table = _table(self._needles)
                self._stale = False
        return self._table


class Masker:
    """Masks one stream. Whatever the chunks, the same bytes come out; one thread at a time."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what can be shown by now.

        Held back is only an end that may still become a secret: at most the longest secret less one byte.
        """
        table = self._mask.table()
        if table is None:
            return data
        shown, self._held = table.replace(self._held + data if self._held else data, final=False)
        return shown

    def finish(self) -> bytes:
        """Return what was held back: the stream has ended, and it has become no longer secret."""
        held, self._held = self._held, b""
        table = self._mask.table()
        return table.replace(held, final=True)[0] if table else held

    def cut(self) -> bytes:
        """Return what was held back when the bytes that follow are lost.

        They may have completed a secret, so that its beginning is masked as well.
        """
        held, self._held = self._held, b""
        return MASK if len(held) >= SHORTEST else held
