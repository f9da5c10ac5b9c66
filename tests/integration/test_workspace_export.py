"""What a run changed, brought back to a directory of the host."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import WorkspaceError
from tests.support.workspaces import DEBIAN, WAYS, Bench, bench


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "dir" / "deep").mkdir(parents=True)
    for name in ("one", "two", "dir/file", "dir/deep/file"):
        (root / name).write_text(f"source {name}\n")
        os.utime(root / name, (1_600_000_000, 1_600_000_000))
    return root


@pytest.fixture
def target(tmp_path: Path, source: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "target", symlinks=True))


@pytest.fixture(params=WAYS)
def run(request: pytest.FixtureRequest, source: Path) -> Iterator[Bench]:
    with bench(source, overlays=request.param) as made:
        yield made


def tree(root: Path) -> dict[str, str]:
    """Return the content of each file, and ``-> target`` of each link."""
    return {
        str(path.relative_to(root)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_changes_of_all_stages_are_applied_with_deletions_and_nothing_else_is_touched(run: Bench, target: Path) -> None:
    (target / "mine").write_text("stays\n")
    (target / "one").write_text("mine too\n")
    run.stage("a", "echo a >two; rm dir/file; mkdir -p 'new dir'; echo a >'new dir/a\nb'; echo a >../not-exported")
    run.stage(
        "b",
        "mkdir 'new dir'; echo b >'new dir/b'; ln -s ../one 'new dir/link'; ln 'new dir/b' hard; chmod 751 'new dir/b'",
    )
    run.stage("c", "rm -r 'new dir/a\nb'; touch -d @1500000000 two", ["a", "b"])

    assert run.export(["a", "b", "c"], target) == ()

    assert tree(target) == {
        "mine": "stays\n",
        "one": "mine too\n",
        "two": "a\n",
        "dir/deep/file": "source dir/deep/file\n",
        "new dir/b": "b\n",
        "new dir/link": "-> ../one",
        "hard": "b\n",
    }
    assert (target / "two").stat().st_mtime == 1_500_000_000
    assert (target / "new dir" / "b").stat().st_mode & 0o7777 == 0o751
    assert (target / "hard").samefile(target / "new dir" / "b")


def test_a_renamed_directory_arrives_whole(run: Bench, target: Path) -> None:
    run.open("a")
    run.step("a", """perl -e 'rename("dir", "moved") or die $!'""", image=DEBIAN)

    run.export(["a"], target)

    assert sorted(tree(target)) == ["moved/deep/file", "moved/file", "one", "two"]


def test_directories_that_were_made_side_by_side_arrive_whole(run: Bench, target: Path) -> None:
    run.stage("a", "mkdir build; echo a >build/a")
    run.stage("b", "mkdir build; echo b >build/b")

    run.export(["a", "b"], target)

    assert {"build/a", "build/b"} <= tree(target).keys()


def test_a_run_that_changed_nothing_exports_nothing(run: Bench, target: Path) -> None:
    run.stage("quiet", "cat one dir/file; echo outside >../out")
    before = tree(target)

    run.export(["quiet", "never-opened"], target)

    assert tree(target) == before


def test_what_became_another_kind_of_file_is_replaced(run: Bench, target: Path) -> None:
    run.stage("a", "rm one; mkdir one; echo in >one/in; rm -r dir; echo flat >dir; rm two; mkfifo two; chmod 700 one")

    run.export(["a"], target)

    assert (target / "one" / "in").read_text() == "in\n"
    assert (target / "one").stat().st_mode & 0o7777 == 0o700
    assert (target / "dir").read_text() == "flat\n"
    assert (target / "two").is_fifo()


def test_files_are_the_owner_of_the_targets_and_bring_no_special_bits(run: Bench, target: Path) -> None:
    os.chown(target, 1234, 1235)
    run.stage("a", "cp /bin/busybox evil; chmod 6755 evil; mkdir sub; touch sub/f; ln -s f sub/l; chown 77:77 sub/f")

    run.export(["a"], target)

    owners = {name: (target / name).lstat() for name in ("evil", "sub", "sub/f", "sub/l")}
    assert {(status.st_uid, status.st_gid) for status in owners.values()} == {(1234, 1235)}
    assert owners["evil"].st_mode & 0o7777 == 0o755


def test_a_link_in_the_target_is_not_written_through(run: Bench, target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(target / "dir")
    (target / "dir").symlink_to(outside)
    (target / "one").unlink()
    (target / "one").symlink_to(outside / "one")
    run.stage("a", "echo a >one; echo a >dir/file")

    with pytest.raises(WorkspaceError, match="dir: cannot be written"):
        run.export(["a"], target)

    assert list(outside.iterdir()) == []


def test_devices_are_left_out_and_named(run: Bench, target: Path) -> None:
    run.stage("a", "mknod zero c 1 5; echo a >one")

    assert run.export(["a"], target) == ("zero",)
    assert not (target / "zero").exists()
    assert (target / "one").read_text() == "a\n"


def test_a_target_that_is_not_there_is_made(run: Bench, tmp_path: Path) -> None:
    run.stage("a", "echo a >dir/new")

    run.export(["a"], tmp_path / "not" / "there")

    assert tree(tmp_path / "not" / "there") == {"dir/new": "a\n"}
