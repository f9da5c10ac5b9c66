"""Many byte strings, replaced wherever they stand, however data are cut into chunks.

All are searched for at once by their first bytes (*anchors*) with an Aho-Corasick automaton, whose speed hardly depends
on how many there are, and which tells all that it found in one call. Only where an anchor stands is a needle compared.
An automaton over whole needles would be simpler, but takes gigabytes for a secret of 1 MB in its forms; regular
expressions (RE2) take 2 µs for every hit, which a step that prints a secret in each line makes slow.

A *text* is a string that may be broken by white space anywhere, and of which parts may stand alone, as base64 does in
lines. It is found by windows on it, and followed from there as far as the data agree.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from operator import itemgetter
from threading import Lock

from ahocorasick_rs import BytesAhoCorasick, Implementation

_WIDEST_ANCHOR = 32
_FEW = 4000
"""So many anchors are made into a DFA: twice as fast as the NFA that more of them get, but slow to build."""
_SHARE = 2
"""Anchors that came later have an automaton of their own, while they are no more than this part of those before."""
_CALM = 100
"""After so many searches without more anchors, all get into one automaton again."""

_WINDOW = 8
_STRIDE = 4
"""From one window to the next; so whatever has ``_WINDOW + _STRIDE - 1`` characters of a text has one whole."""
_MOST_WINDOWS = 1400
"""As many as base64 of 4 KiB has; those on a longer text lie farther apart, since each takes some hundred bytes."""
_ALL_WINDOWS = 100_000
"""When all texts together have so many, each of 1 kB of memory, a further one is just a needle."""
_ALIKE = 8
"""So many places of a window are followed; where all end too early, a later window goes on."""
_BREAKS = (b"\n", b"\r\n", b" ")
"""What breaks a text: line ends, and the blanks that a shell's ``echo $x`` makes of them."""
_BREAK = re.compile(rb"[ \t\r\n]{1,64}+(?![ \t\r\n])")
"""A break with an indentation; a longer one ends the text."""

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
        self._texts: set[bytes] = set()
        self._places: dict[bytes, tuple[tuple[bytes, int], ...]] = {}
        """The texts of an anchor, each with the position after it."""
        self._beginnings: set[bytes] = set()
        """Every incomplete anchor."""
        self._fresh: list[bytes] = []
        """Anchors that are in no automaton yet."""
        self._groups: list[list[bytes]] = []
        """The others, from many to few, each as they are in one automaton."""
        self._automata: tuple[BytesAhoCorasick, ...] = ()
        self._searches = 0

    def add(self, needles: Iterable[bytes], texts: Collection[bytes] = ()) -> None:
        """Search for these from now on; none may be empty.

        Of a text that is in the data as a whole, broken after any 8 characters or more, nothing is left. Of a part that
        stands alone at most 10 characters in a row are left at an end (7 bytes of base64), and what repeats itself; of
        texts that have more than ``_MOST_WINDOWS`` windows, as many as lie from one window to the end of the next. A
        text of less than 8 characters is none, and one behind ``_ALL_WINDOWS`` is found only unbroken.
        """
        with self._lock:
            broken = set(texts) - self._texts if len(self._places) < _ALL_WINDOWS else set()
            news: defaultdict[bytes, list[bytes]] = defaultdict(list)
            for needle in {*needles, *(set(texts) - self._texts - broken)} - self._all:
                news[needle[:_WIDEST_ANCHOR]].append(needle)
            for anchor, found in news.items():
                self._anchor(anchor)
                known = self._by_anchor.get(anchor, ())
                self._by_anchor[anchor] = tuple(sorted((*known, *found), key=len, reverse=True))
                self._all.update(found)
            for text in broken:
                self._texts.add(text)
                for anchor, after in _windows(text):
                    self._anchor(anchor)
                    places = self._places.get(anchor, ())
                    if len(places) < _ALIKE:
                        self._places[anchor] = (*places, (text, after))

    def replace(self, data: bytes, mask: bytes, *, final: bool) -> tuple[bytes, bytes]:
        """Return what can be shown of ``data``, and the end of it that more data may turn into a needle.

        The leftmost needle or part of a text becomes ``mask``, and of several at one place the longest. With ``final``
        no more data come. What has none is returned as it is, without a copy.
        """
        if not self._all and not self._texts:
            return data, b""
        pieces: list[bytes] = []
        shown = 0
        held = self._incomplete(data, 0, final=final)
        for _, start, anchored in self._hits(data):
            if start < shown:
                continue
            if start >= held:
                break
            end = self._reach(data, start, anchored, final=final)
            if end > len(data):
                held = start
                break
            if end > start:
                pieces += (data[shown:start], mask)
                shown = end
                held = held if shown <= held else self._incomplete(data, shown, final=final)
        if not pieces and held == len(data):
            return data, b""
        pieces.append(data[shown:held])
        return b"".join(pieces), data[held:]

    def _anchor(self, anchor: bytes) -> None:
        """Have an anchor in the next automaton, if it is none yet."""
        if anchor not in self._by_anchor and anchor not in self._places:
            self._fresh.append(anchor)
            beginning = anchor[:-1]
            while beginning and beginning not in self._beginnings:
                self._beginnings.add(beginning)
                beginning = beginning[:-1]

    def _reach(self, data: bytes, start: int, end: int, *, final: bool) -> int:
        """Return where the longest ends that begins with an anchor, past the data if more may belong to it, or 0."""
        reach = 0
        for needle in self._by_anchor.get(data[start:end], ()):
            if data.startswith(needle, start):
                reach = start + len(needle)
                break
            if not final and start > len(data) - len(needle) and needle.startswith(data[start:]):
                return len(data) + 1
        # The window here has a hit of its own, but that is passed over once something longer is found.
        for at in (end, start + _WINDOW) if reach and end > start + _WINDOW else (end,):
            for text, after in self._places.get(data[start:at], ()):
                reach = max(reach, _follow(data, at, text, after, final=final))
        return reach

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
        if self._fresh or self._calm():
            with self._lock:
                self._build()
        return self._automata

    def _calm(self) -> bool:
        return self._searches > _CALM and len(self._automata) > 1

    def _build(self) -> None:
        """Make an automaton of the fresh anchors, with those that are not much more; of all, when no more come."""
        everything = not self._fresh
        if self._fresh:
            self._groups.append(self._fresh)
            self._fresh = []
        elif not self._calm():
            return  # another thread was faster
        while len(self._groups) > 1 and (everything or len(self._groups[-1]) * _SHARE > len(self._groups[-2])):
            last = self._groups.pop()
            self._groups[-1] = self._groups[-1] + last
        *before, last = self._groups
        dense = not before and len(last) <= _FEW
        kind = Implementation.DFA if dense else Implementation.ContiguousNFA
        self._automata = (*self._automata[: len(before)], BytesAhoCorasick(last, implementation=kind))
        self._searches = 0


def _windows(text: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield anchors of a text, and the positions after them: its beginning with a break anywhere, and its parts.

    A part that repeats itself is none: it is of white space or zeros, as harmless files have them.
    """
    for at in range(1, _WINDOW if len(text) >= _WINDOW else 0):
        for space in _BREAKS:
            yield text[:at] + space + text[at:_WINDOW], _WINDOW
    for at in range(0, len(text) - _WINDOW + 1, max(_STRIDE, len(text) // _MOST_WINDOWS)):
        window = text[at : at + _WINDOW]
        if at == 0 or window[:_STRIDE] != window[-_STRIDE:]:
            yield window, at + _WINDOW


def _follow(data: bytes, end: int, text: bytes, after: int, *, final: bool) -> int:
    """Return where a text ends in data that have it up to ``end``, or past the data if more may belong to it."""
    at = end
    while after < len(text):
        limit = min(len(data), at + len(text) - after)
        space = _BREAK.search(data, at, limit)
        stop = space.start() if space else limit
        alike = _alike(data[at:stop], text[after : after + stop - at])
        at, after = at + alike, after + alike
        end = at if alike else end
        if at < stop or after == len(text):
            break
        if space := _BREAK.match(data, at):
            at = space.end()
        if at == len(data) and not final:
            return at + 1
        if not space:
            break
    return end


def _alike(one: bytes, other: bytes) -> int:
    """Return how many bytes two strings of one length have in common at their beginnings."""
    if one == other:
        return len(one)
    return bisect_left(range(1, len(one) + 1), True, key=lambda length: one[:length] != other[:length])
