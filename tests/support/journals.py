"""The journals that ``tests/contract/test_journal.py`` runs against: one line here for each further one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.engine.journal import Journal, Memory
from runner.store.jsonl import JsonLines


@dataclass(frozen=True, kw_only=True)
class Durable:
    """What only a journal that outlives its process can be asked for.

    ``open`` opens the journal of the folder again; ``tear`` cuts its last entry off in the middle, as a machine does
    that dies while it writes.
    """

    open: Callable[[Path], Journal]
    tear: Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of journal; ``make`` gets an empty folder of its own."""

    name: str
    make: Callable[[Path], Journal]
    durable: Durable | None = None


def _lines(folder: Path) -> Journal:
    return JsonLines(folder / "journal.jsonl")


def _tear_lines(folder: Path) -> None:
    path = folder / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-7])


KINDS = (
    Kind(name="memory", make=lambda _: Memory()),
    Kind(name="lines", make=_lines, durable=Durable(open=_lines, tear=_tear_lines)),
)
