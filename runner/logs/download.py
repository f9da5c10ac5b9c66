"""Logs as one text: of one attempt as it was printed, or of many with a prefix before each line."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from runner.logs.follow import read
from runner.logs.index import log_file

_PIECE = 1 << 18


def text_of(path: Path) -> Iterator[bytes]:
    """Yield the bytes that a log has by now; ``path`` as ``LogBook.path`` gives it. One that is not there has none."""
    try:
        with log_file(path).open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except FileNotFoundError:
        return


def prefixed(logs: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """Yield logs one after the other, each line behind what is given with its log and `` | ``."""
    for name, path in logs:
        lead = f"{name} | ".encode("utf-8", "replace")
        if log_file(path).exists():
            for block in read(path):
                yield lead + block.data[:-1].replace(b"\n", b"\n" + lead) + b"\n"
