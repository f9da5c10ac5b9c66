import os
import time
from pathlib import Path

import pytest

from runner.workspace.git.forgetting import forget
from tests.support.fetching import asked, slots, sources, spec
from tests.support.repositories import Repository

DAY = 86400.0


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "upstream")
    repository.commit("a")
    return repository


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    return tmp_path / "mirrors"


def _fetch(mirrors: Path, upstream: Repository) -> None:
    with sources(mirrors).fetched(spec(upstream, commit=upstream.git("rev-parse", "HEAD"))) as found:
        assert asked(found.path, "status", "--porcelain") == ""


def _age(mirrors: Path, seconds: float) -> None:
    for directory in mirrors.iterdir():
        os.utime(directory, (time.time() - seconds,) * 2)


def test_what_was_not_used_for_long_goes(upstream: Repository, mirrors: Path) -> None:
    _fetch(mirrors, upstream)
    _age(mirrors, 2 * DAY)

    assert forget(mirrors, DAY) == 1
    assert list(mirrors.iterdir()) == []

    _fetch(mirrors, upstream)


def test_what_was_used_lately_stays(upstream: Repository, mirrors: Path) -> None:
    _fetch(mirrors, upstream)
    _age(mirrors, 2 * DAY)
    _fetch(mirrors, upstream)

    assert forget(mirrors, DAY) == 0
    assert len(slots(mirrors)) == 1


def test_what_a_run_stands_on_stays(upstream: Repository, mirrors: Path) -> None:
    with sources(mirrors).fetched(spec(upstream)) as found:
        _age(mirrors, 2 * DAY)
        assert forget(mirrors, DAY) == 0
        assert (found.path / "a").is_file()

    assert forget(mirrors, 0) == 1


def test_what_one_who_died_was_removing_goes(upstream: Repository, mirrors: Path) -> None:
    _fetch(mirrors, upstream)
    (directory,) = mirrors.iterdir()
    directory.rename(mirrors / ".going-x")

    assert forget(mirrors, DAY) == 0
    assert list(mirrors.iterdir()) == []


def test_where_nothing_is_kept_nothing_goes(mirrors: Path) -> None:
    assert forget(mirrors, 0) == 0
