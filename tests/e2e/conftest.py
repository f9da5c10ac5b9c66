"""What all end-to-end tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Place, place_in
from tests.support.offspring import Yard, yard_in


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Give a repository to run in; the test fails when its runs leave anything on the engine."""
    with place_in(tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """Give a daemon with pipelines of a git server, one for all tests; these may kill it, and start another one."""
    with yard_in(tmp_path_factory.mktemp("yard")) as found:
        yield found
