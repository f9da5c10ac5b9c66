"""Many byte strings, replaced wherever they stand, however data are cut into chunks.

All are searched for at once by their first bytes (*anchors*) with an Aho-Corasick automaton, whose speed hardly depends
on how many there are, and which tells all that it found in one call. Only where an anchor stands is a needle compared.
An automaton over whole needles would be simpler, but takes gigabytes for a secret of 1 MB in its forms; regular
expressions (RE2) take 2 µs for every hit, which a step that prints a secret in each line makes slow.
"""

from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter
from threading import Lock

from ahocorasick_rs import BytesAhoCorasick, Implementation

_WIDEST_ANCHOR = 32
_FEW = 1000
"""So many anchors are made into a DFA: twice as fast as the NFA that more of them get, but slow to build."""
_SHARE = 4
"""Anchors that came later have an automaton of their own, as long as they are less than this part of the others."""
_CALM = 100
"""After so many searches without more anchors, all get into one automaton again."""

_start, _end = itemgetter(1), itemgetter(2)


class Needles:
    """A set of byte strings that only grows, ready to be searched for; for all threads.

    Adding is cheap, and what a search needs is made when it comes; so 500 strings may be added one by one.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._all: set[bytes] = set()
        self._by_anchor: dict[bytes, tuple[bytes, ...]] = {}
        """The needles of an anchor, from long to short."""
        self._beginnings: set[bytes] = set()
        """Every incomplete anchor."""
        self._longest = 0
        self._settled: list[bytes] = []
        self._fresh: list[bytes] = []
        self._automata: tuple[BytesAhoCorasick, ...] = ()
        """That of the settled anchors, and that of the fresh ones if there are any."""
        self._stale = False
        self._searches = 0

    def add(self, needles: Iterable[bytes]) -> None:
        """Search for these from now on; none may be empty."""
        with self._lock:
            news: defaultdict[bytes, list[bytes]] = defaultdict(list)
            for needle in set(needles) - self._all:
                news[needle[:_WIDEST_ANCHOR]].append(needle)
            for anchor, found in news.items():
                known = self._by_anchor.get(anchor, ())
                self._by_anchor[anchor] = tuple(sorted((*known, *found), key=len, reverse=True))
                self._all.update(found)
                self._longest = max(self._longest, *map(len, found))
                if not known:
                    self._fresh.append(anchor)
                    self._beginnings.update(anchor[:length] for length in range(1, len(anchor)))
                    self._stale = True

    def replace(self, data: bytes, mask: bytes, *, final: bool) -> tuple[bytes, bytes]:
        """Return what can be shown of ``data``, and the end of it that more data may turn into a needle.

        The leftmost needle becomes ``mask``, and of several at one place the longest. With ``final`` no more data come.
        What has none is returned as it is, without a copy.
        """
        if not self._all:
            return data, b""
        pieces: list[bytes] = []
        shown = 0
        decided = len(data) if final else len(data) - self._longest
        held = self._incomplete(data, 0, final=final)
        for _, start, end in self._hits(data):
            if start < shown:
                continue
            if start >= held:
                break
            for needle in self._by_anchor[data[start:end]]:
                if data.startswith(needle, start):
                    pieces += (data[shown:start], mask)
                    shown = start + len(needle)
                    held = held if shown <= held else self._incomplete(data, shown, final=final)
                    break
                if start > decided and start + len(needle) > len(data) and needle.startswith(data[start:]):
                    held = start
                    break
        if not pieces and held == len(data):
            return data, b""
        pieces.append(data[shown:held])
        return b"".join(pieces), data[held:]

    def _hits(self, data: bytes) -> list[tuple[int, int, int]]:
        """Return where anchors begin and end, from left to right, and of those at one place the longest first."""
        hits: list[tuple[int, int, int]] = []
        for automaton in self._ready():
            hits += automaton.find_matches_as_indexes(data, overlapping=True)
        hits.sort(key=_end, reverse=True)
        hits.sort(key=_start)
        return hits

    def _incomplete(self, data: bytes, shown: int, *, final: bool) -> int:
        """Return where an anchor begins, not before ``shown``, that the end of ``data`` cuts off, else the end."""
        if not final:
            for at in range(max(shown, len(data) - _WIDEST_ANCHOR + 1), len(data)):
                if data[at:] in self._beginnings:
                    return at
        return len(data)

    def _ready(self) -> tuple[BytesAhoCorasick, ...]:
        """Return automata of all anchors."""
        self._searches += 1
        if self._stale or (self._fresh and self._searches > _CALM):
            with self._lock:
                self._build()
        return self._automata

    def _build(self) -> None:
        """Take the fresh anchors in: by themselves while they are few and may become more, else with the others."""
        if self._stale and len(self._fresh) * _SHARE <= len(self._settled):
            fresh = BytesAhoCorasick(self._fresh, implementation=Implementation.ContiguousNFA)
            self._automata = (self._automata[0], fresh)
        elif self._fresh:
            self._settled += self._fresh
            self._fresh.clear()
            kind = Implementation.DFA if len(self._settled) <= _FEW else Implementation.ContiguousNFA
            self._automata = (BytesAhoCorasick(self._settled, implementation=kind),)
        self._stale = False
        self._searches = 0
