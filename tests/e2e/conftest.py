"""What all end-to-end tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Place, place_in


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Give a repository to run in; the test fails when its runs leave anything on the engine."""
    with place_in(tmp_path) as found:
        yield found
