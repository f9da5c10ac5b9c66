import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.workspace.tracked import tracked
from tests.support.repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def names(root: Path) -> list[str]:
    """Return what is tracked, without what is in the root's own ``.git``."""
    return [os.fsdecode(path) for path in tracked(root) if not path.startswith(b".git/")]


def add_submodule(repository: Repository, path: str) -> None:
    other = Repository(repository.root.parent / "other")
    if not (other.root / "lib").exists():
        other.commit("lib", "deep/lib")
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.root), path)


def test_untracked_and_ignored_files_are_left_out(repository: Repository) -> None:
    repository.commit("a", "sub/b")
    repository.write(".gitignore", "*.o\n")
    repository.git("add", ".gitignore")
    for path in ("a.o", "sub/b.o", "new", "sub/new", "build/new"):
        repository.write(path)

    assert names(repository.root) == [".git", ".gitignore", "a", "sub", "sub/b"]


def test_a_directory_stands_before_what_it_holds(repository: Repository) -> None:
    repository.commit("a/b/c", "a/b-c", "a.b")

    assert names(repository.root) == [".git", "a", "a.b", "a/b", "a/b-c", "a/b/c"]


def test_a_file_that_was_only_added_counts_and_one_that_was_only_deleted_does_not(repository: Repository) -> None:
    repository.commit("deleted", "last/of/all", "removed")
    repository.write("added")
    repository.git("add", "added")
    repository.git("rm", "--quiet", "--cached", "removed")
    (repository.root / "deleted").unlink()
    (repository.root / "last/of/all").unlink()
    repository.write("last/of/untracked")

    assert names(repository.root) == [".git", "added"]


def test_a_file_that_a_sparse_checkout_leaves_out_is_left_out(repository: Repository) -> None:
    repository.commit("in/a", "out/a")
    repository.git("sparse-checkout", "set", "in")

    assert names(repository.root) == [".git", "in", "in/a"]


def test_a_file_in_conflict_is_named_once(repository: Repository) -> None:
    repository.commit("a")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("a", message="theirs")
    repository.git("checkout", "--quiet", "main")
    repository.commit("a", message="ours")
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("merge", "side")

    assert names(repository.root) == [".git", "a"]


def test_names_may_hold_newlines_and_bytes_that_are_no_text(repository: Repository) -> None:
    name = b"a\n\xff\"'\xc3\xa9\n"
    folder = os.fsdecode(name + b" folder")
    repository.commit("first")
    repository.write(f"{folder}/{os.fsdecode(name)}")
    repository.git("add", "--all")

    assert tracked(repository.root)[-3:] == (name + b" folder", name + b" folder/" + name, b"first")


def test_links_are_named_wherever_they_lead_and_never_followed(repository: Repository) -> None:
    (repository.root / "link").symlink_to("/etc")
    (repository.root / "dangling").symlink_to("nowhere")
    repository.git("add", "--all")

    assert names(repository.root) == [".git", "dangling", "link"]


def test_nothing_is_taken_from_behind_a_link_that_took_the_place_of_a_directory(repository: Repository) -> None:
    repository.commit("a", "dir/deep/b", "top/b")
    outside = repository.root.parent / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "b").touch()
    shutil.rmtree(repository.root / "dir")
    shutil.rmtree(repository.root / "top")
    (repository.root / "dir").symlink_to(outside)
    repository.write("top")

    assert names(repository.root) == [".git", "a"]


def test_what_git_cannot_track_is_left_out_under_a_tracked_name(repository: Repository) -> None:
    repository.commit("a", "fifo", "socket")
    for name in ("fifo", "socket"):
        (repository.root / name).unlink()
    os.mkfifo(repository.root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(repository.root / "socket"))

        assert names(repository.root) == [".git", "a"]


def test_git_itself_comes_along_with_all_it_holds(repository: Repository) -> None:
    commit = repository.commit("a")

    found = {os.fsdecode(path) for path in tracked(repository.root)}

    everything = {str(path.relative_to(repository.root)) for path in repository.root.rglob("*")}
    assert f".git/objects/{commit[:2]}/{commit[2:]}" in found
    assert found == everything


def test_submodules_come_with_the_files_that_they_track_and_their_own_git(repository: Repository) -> None:
    add_submodule(repository, "libs/one")
    repository.write("libs/one/untracked")
    repository.write("libs/untracked")

    assert names(repository.root) == [
        *[".git", ".gitmodules", "libs", "libs/one", "libs/one/.git", "libs/one/deep", "libs/one/deep/lib"],
        "libs/one/lib",
    ]


def test_a_submodule_in_a_submodule_comes_with_its_files(repository: Repository) -> None:
    middle = Repository(repository.root.parent / "middle")
    add_submodule(middle, "inner")
    middle.git("commit", "--quiet", "--message", "inner")
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(middle.root), "outer")
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")

    assert {"outer/inner", "outer/inner/lib", "outer/inner/.git"} <= set(names(repository.root))


@pytest.mark.parametrize("known", [True, False])
def test_a_submodule_that_is_not_checked_out_is_an_empty_directory(repository: Repository, *, known: bool) -> None:
    add_submodule(repository, "lib")
    repository.git("submodule", "--quiet", "deinit", "--force", "lib")
    if known:
        repository.git("submodule", "--quiet", "init")
    repository.write("lib/untracked")

    assert names(repository.root) == [".git", ".gitmodules", "lib"]


def test_a_directory_in_a_repository_comes_without_what_is_beside_it(repository: Repository) -> None:
    repository.commit("a", "sub/b", "sub/deep/c")
    repository.write("sub/untracked")

    assert names(repository.root / "sub") == ["b", "deep", "deep/c"]


def test_in_a_linked_worktree_git_is_the_file_that_it_is_there(repository: Repository) -> None:
    repository.commit("a")
    repository.git("worktree", "add", "--quiet", "../linked")

    assert names(repository.root.parent / "linked") == [".git", "a"]


def test_outside_of_a_repository_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^{tmp_path}: git does not say .*: fatal: not a git repository") as caught:
        tracked(tmp_path)

    assert caught.value.hint == "use --source-filter all"


@pytest.mark.parametrize("path", [".", "build", "bare"])
def test_a_directory_of_which_git_tracks_nothing_is_refused(repository: Repository, path: str) -> None:
    repository.write("build/untracked")
    repository.git("init", "--quiet", "--bare", "bare")

    with pytest.raises(UsageError, match="git tracks nothing that is there") as caught:
        tracked(repository.root / path)

    assert caught.value.hint == "git add what a run needs, or use --source-filter all"


def test_without_the_git_command_that_is_what_is_missing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "git", None)

    with pytest.raises(UsageError, match="without the git command"):
        tracked(repository.root)


def test_what_cannot_be_read_is_named(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit("a")

    def refuse(directory: Path) -> None:
        raise PermissionError(13, "Permission denied", str(directory))

    monkeypatch.setattr("runner.workspace.tracked.walk", refuse)

    with pytest.raises(UsageError, match=r"shop: cannot be read: .*Permission denied: '.*shop/\.git'"):
        tracked(repository.root)
