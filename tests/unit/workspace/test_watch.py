import os
import time
from pathlib import Path

import pytest

from runner.workspace.watch import Fingerprint


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dir" / "deep").mkdir(parents=True)
    (tmp_path / "one").write_text("one")
    (tmp_path / "dir" / "deep" / "two").write_text("two")
    return tmp_path


def test_a_tree_that_nobody_touched_has_not_changed(root: Path) -> None:
    assert Fingerprint.take(root).changed(Fingerprint.take(root)) == []


def test_added_removed_and_written_files_are_named(root: Path) -> None:
    before = Fingerprint.take(root)
    (root / "dir" / "new\nname").touch()
    (root / "one").unlink()
    (root / "dir" / "deep" / "two").write_text("TWO!")

    assert Fingerprint.take(root).changed(before) == ["dir/deep/two", "dir/new\nname", "one"]


def test_a_write_that_keeps_the_size_is_seen_by_its_time(root: Path) -> None:
    before = Fingerprint.take(root)
    status = (root / "one").stat()
    os.utime(root / "one", ns=(status.st_atime_ns, status.st_mtime_ns + 1))

    assert Fingerprint.take(root).changed(before) == ["one"]


def test_a_file_that_was_replaced_by_a_directory_is_named(root: Path) -> None:
    before = Fingerprint.take(root)
    (root / "one").unlink()
    (root / "one").mkdir()
    (root / "one" / "inside").touch()

    assert Fingerprint.take(root).changed(before) == ["one", "one/inside"]


def test_what_git_keeps_for_itself_is_left_out_at_any_depth(root: Path) -> None:
    (root / ".git").mkdir()
    (root / "dir" / ".git").mkdir()
    before = Fingerprint.take(root)
    (root / ".git" / "index").write_text("refreshed by a prompt")
    (root / "dir" / ".git" / "index").write_text("of a submodule")
    (root / ".gitignore").write_text("seen")

    assert Fingerprint.take(root).changed(before) == [".gitignore"]


def test_links_are_not_followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (root / "link").symlink_to(outside)
    before = Fingerprint.take(root)
    (outside / "file").touch()

    assert Fingerprint.take(root).changed(before) == []


def test_a_directory_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Fingerprint.take(tmp_path / "missing").files == {}


def test_fifty_thousand_files_take_less_than_half_a_second(tmp_path: Path) -> None:
    for number in range(250):
        (tmp_path / f"d{number}").mkdir()
        for other in range(200):
            (tmp_path / f"d{number}" / f"f{other}").touch()

    def seconds() -> float:
        begun = time.perf_counter()
        assert len(Fingerprint.take(tmp_path).files) == 50_000
        return time.perf_counter() - begun

    assert min(seconds() for _ in range(3)) < 0.5
