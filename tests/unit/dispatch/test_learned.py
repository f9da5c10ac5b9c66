import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner import diagnostics
from runner.dispatch.learned import Learned
from runner.errors import StoreError
from runner.store.sealing import Vault

VAULT = Vault(b"k" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "learned"


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, object]]]:
    found: list[dict[str, object]] = []
    monkeypatch.setattr(diagnostics, "warn", lambda event, **facts: found.append({"event": event, **facts}))
    return found  # type: ignore[return-value]  # as a list it is iterated as well


def _learned(path: Path, *known: bytes, run: str = "r") -> Learned:
    return Learned(path, VAULT, run, frozenset(known))


def test_what_one_driver_has_learned_the_next_one_knows(path: Path) -> None:
    first = _learned(path)
    for secret in (b"hunter2", b"two\nlines", b"\xff no text"):
        first.add(secret)

    assert _learned(path).read() == [b"hunter2", b"two\nlines", b"\xff no text"]


def test_a_secret_is_written_once_and_what_the_run_was_given_not_at_all(path: Path) -> None:
    learned = _learned(path, b"given")
    for secret in (b"given", b"told", b"told"):
        learned.add(secret)
    again = _learned(path, b"given")
    assert again.read() == [b"told"]
    again.add(b"told")

    assert _learned(path).read() == [b"told"]


def test_nothing_has_been_learned_where_there_is_no_file(path: Path) -> None:
    assert _learned(path).read() == []
    assert not path.exists()


def test_no_secret_can_be_read_in_the_file(path: Path) -> None:
    _learned(path).add(b"hunter2 is the word")

    assert b"hunter2" not in path.read_bytes()
    assert stat.S_ISREG(path.stat().st_mode)


def test_a_line_that_was_cut_off_is_none_and_spoils_no_later_one(path: Path) -> None:
    first = _learned(path)
    first.add(b"whole")
    first.add(b"in halves")
    path.write_bytes(path.read_bytes()[:-9])

    second = _learned(path)
    assert second.read() == [b"whole"]
    second.add(b"later")

    assert _learned(path).read() == [b"whole", b"later"]


@pytest.mark.parametrize("line", [b"!!!\n", b"AAAA\n", b"\n"])
def test_a_damaged_file_is_an_error_of_the_store(path: Path, line: bytes) -> None:
    path.write_bytes(line)

    with pytest.raises(StoreError):
        _learned(path).read()


def test_what_another_run_has_learned_cannot_be_put_in_its_place(path: Path) -> None:
    _learned(path).add(b"hunter2")

    with pytest.raises(StoreError, match="learned:other cannot be opened"):
        _learned(path, run="other").read()


def test_a_secret_that_cannot_be_kept_is_told_and_stops_no_step(
    tmp_path: Path, warned: list[dict[str, object]]
) -> None:
    learned = _learned(tmp_path / "gone" / "learned")

    learned.add(b"hunter2")

    assert [facts["error"] for facts in warned] == ["No such file or directory"]
    assert "hunter2" not in repr(warned)
