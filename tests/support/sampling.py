"""A rotating sample of the cases that are marked ``sampled``: a run takes an eighth of them.

Cases without the mark always run, and of a function of which all cases are marked at least one does. Eight seeds in a
row take every case.
"""

from collections.abc import Sequence
from zlib import crc32

import pytest

MARK = "sampled"
_TURNS = 8


def left_out(items: Sequence[pytest.Item], seed: int) -> list[pytest.Item]:
    """Return the items that a run with this seed does without; each function is judged by itself."""
    functions: dict[str, list[pytest.Item]] = {}
    for item in items:
        functions.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return [case for name, cases in functions.items() for case in _waiting(name, cases, seed)]


def _waiting(name: str, cases: Sequence[pytest.Item], seed: int) -> list[pytest.Item]:
    marked = [case for case in cases if case.get_closest_marker(MARK)]
    turns = min(_TURNS, len(cases)) if len(marked) == len(cases) else _TURNS
    # Functions begin at different cases: no seed stands for one parameter.
    first = crc32(name.encode()) + seed
    return [case for number, case in enumerate(marked) if (number + first) % turns]
