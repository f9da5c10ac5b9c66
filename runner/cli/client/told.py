"""What has been given of a run, so that one that is told again from its beginning goes on where it was."""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import NamedTuple

from runner.dispatch.feed import Item, Lines
from runner.engine.events import Changed
from runner.logs.index import Stream


class _Place(NamedTuple):
    """How far into a stream of a log: bytes, less those that end lines, and the empty lines after the last of them.

    Where a line without an end was cut is a matter of time, so a number of lines would not find the place again.
    """

    size: int = 0
    empty: int = 0

    def after(self, data: bytes) -> "_Place":
        """Return the place after lines."""
        content = len(data) - data.count(b"\n")
        ends = len(data) - len(data.rstrip(b"\n"))
        return _Place(self.size + content, ends - 1 if content else self.empty + ends)


class Told:
    """Takes the items of a run, from its beginning as often as ``begin`` is called, and gives each of them once."""

    def __init__(self) -> None:
        self._given: Counter[Hashable] = Counter()
        self._heard: Counter[Hashable] = Counter()
        self._shown: dict[tuple[str, Stream], _Place] = {}
        self._passed: dict[tuple[str, Stream], _Place] = {}

    def begin(self) -> None:
        """Hear it all from the beginning."""
        self._heard.clear()
        self._passed.clear()

    def new(self, item: Item) -> Iterator[Item]:
        """Yield what is new of an item."""
        if isinstance(item, Lines):
            if rest := self._rest((item.block.log, item.block.stream), item.block.data):
                yield item if rest is item.block.data else Lines(item.address, replace(item.block, data=rest))
            return
        # Of a status that is told again, the time may be rounded otherwise.
        key = (item.entry.address, item.entry.status) if isinstance(item, Changed) else item
        self._heard[key] += 1
        if self._heard[key] > self._given[key]:
            self._given[key] += 1
            yield item

    def _rest(self, stream: tuple[str, Stream], data: bytes) -> bytes:
        """Return the lines that are new; of one that was given in part, the rest."""
        place, shown = self._passed.get(stream, _Place()), self._shown.get(stream, _Place())
        self._passed[stream] = after = place.after(data)
        self._shown[stream] = max(shown, after)
        if place >= shown:
            return data
        if after <= shown:
            return b""
        fresh: list[bytes] = []
        for line in _lines(data):
            before, place = place, place.after(line)
            if place > shown:
                fresh.append(line[max(0, shown.size - before.size) :])
        return b"".join(fresh)


def _lines(data: bytes) -> Iterator[bytes]:
    """Yield lines with their ends; what other programs take for one, such as a carriage return, ends none."""
    begin = 0
    while end := data.find(b"\n", begin) + 1:
        yield data[begin:end]
        begin = end
