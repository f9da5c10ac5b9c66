"""Whether a directory has a commit, and whether it is as its commit has it."""

from pathlib import Path

import pytest

from runner.workspace.local import has_commit, is_dirty
from tests.support.repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def test_a_commit_of_the_repository_is_there_by_its_hash_or_the_beginning_of_it(repository: Repository) -> None:
    older, newer = repository.commit("one"), repository.commit("two")

    assert has_commit(str(repository.root), older)
    assert has_commit(str(repository.root), newer)
    assert has_commit(str(repository.root), older[:8])


def test_what_is_no_commit_of_it_is_not_there(repository: Repository) -> None:
    repository.commit("one")

    assert not has_commit(str(repository.root), "1" * 40)
    assert not has_commit(str(repository.root), repository.git("rev-parse", "HEAD^{tree}"))


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "main",
        "HEAD",
        "a\0b",
        "\ud800",
        "\udcff" * 40,
        "--upload-pack=x",
        "-e",
        "1" * 6,
        "1" * 65,
        "A" * 40,
        "1" * 39 + "\n",
        "1" * 40 + "^{/x}",
        "1234567..7654321",
        "x" * 1_000_000,
    ],
)
def test_garbage_is_no_commit_and_no_error(repository: Repository, garbage: str) -> None:
    repository.commit("one")

    assert not has_commit(str(repository.root), garbage)


def test_a_directory_that_is_not_the_top_of_a_repository_has_no_commit(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit("deep/one")

    for directory in (repository.root / "deep", tmp_path, tmp_path / "nowhere"):
        assert not has_commit(str(directory), commit)


def test_a_repository_without_a_commit_has_none(repository: Repository) -> None:
    assert not has_commit(str(repository.root), "1" * 40)


def test_what_differs_from_the_commit_is_dirty(repository: Repository) -> None:
    repository.commit("one")
    before = is_dirty(repository.root)

    repository.write("one", "changed")

    assert (before, is_dirty(repository.root)) == (False, True)


def test_a_file_that_the_commit_does_not_have_is_dirty_unless_it_is_ignored(repository: Repository) -> None:
    repository.write(".gitignore", "*.log\n")
    repository.git("add", ".gitignore")
    repository.commit("one")
    repository.write("x.log")
    ignored = is_dirty(repository.root)

    repository.write("two")

    assert (ignored, is_dirty(repository.root)) == (False, True)


def test_a_directory_that_is_no_checkout_is_not_dirty(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert not is_dirty(tmp_path)
    assert not is_dirty(tmp_path / "nowhere")
