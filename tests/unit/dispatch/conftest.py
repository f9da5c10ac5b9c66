from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import Daemon, Grounds
from tests.support.repositories import Repository


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    return Grounds(data=tmp_path / "data")


@pytest.fixture
def idle(grounds: Grounds) -> Iterator[Daemon]:
    """A daemon that stores runs, and drives none."""
    with grounds.living() as daemon:
        yield daemon


@pytest.fixture
def daemon(grounds: Grounds) -> Iterator[Daemon]:
    """A daemon at work."""
    with grounds.serving() as found:
        yield found


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")
