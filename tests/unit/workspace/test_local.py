import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.workspace.local import Checkout, checkout
from tests.support.repositories import AUTHOR, Repository

SECRET = "hunter2token"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def test_branch_commit_message_and_author_are_those_of_the_head(repository: Repository) -> None:
    repository.commit("a")
    commit = repository.commit("b", message="Sell more\n\nand better")

    found = checkout(repository.root)

    assert (found.branch, found.commit) == ("main", commit)
    assert (found.message, found.author) == ("Sell more\n\nand better", AUTHOR)


def test_the_root_is_the_top_of_the_repository_also_from_below(repository: Repository) -> None:
    repository.commit("deep/down/a")

    assert checkout(repository.root / "deep" / "down").root == repository.root


def test_a_relative_directory_is_found(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit("a")
    monkeypatch.chdir(repository.root)

    assert checkout(Path()).root == repository.root


def test_changed_are_the_files_of_the_last_commit_only(repository: Repository) -> None:
    repository.commit("a")
    repository.commit("b", "sub/c")

    assert checkout(repository.root).changed == ("b", "sub/c")


def test_changed_are_also_the_files_of_the_working_tree(repository: Repository) -> None:
    repository.commit("modified", "deleted", "staged", "untouched")
    repository.commit("last")
    repository.write("modified", "new")
    repository.write("staged", "new")
    repository.git("add", "staged")
    (repository.root / "deleted").unlink()
    repository.write("sub/untracked")

    assert checkout(repository.root).changed == ("deleted", "last", "modified", "staged", "sub/untracked")


def test_ignored_files_have_not_changed(repository: Repository) -> None:
    repository.write(".gitignore", "*.o\n")
    repository.commit(".gitignore", message="first")
    repository.write(".gitignore", "*.o\n")
    repository.git("commit", "--quiet", "--all", "--message", "ignore")
    repository.write("a.o")

    assert checkout(repository.root).changed == (".gitignore",)


def test_both_names_of_a_renamed_file_have_changed(repository: Repository) -> None:
    repository.commit("old")
    repository.git("mv", "old", "new")
    repository.git("commit", "--quiet", "--message", "rename")

    assert checkout(repository.root).changed == ("new", "old")


def test_a_file_that_was_changed_twice_is_named_once(repository: Repository) -> None:
    repository.commit("a")
    repository.commit("a", message="again")
    repository.write("a", "and again")

    assert checkout(repository.root).changed == ("a",)


def test_all_files_of_a_first_commit_have_changed(repository: Repository) -> None:
    repository.commit("a", "b")

    assert checkout(repository.root).changed == ("a", "b")


def test_paths_are_those_from_the_root_however_git_is_configured(repository: Repository) -> None:
    repository.commit("first")
    repository.commit("sub/ä b")
    repository.git("config", "diff.relative", "true")
    repository.git("config", "core.quotePath", "true")
    repository.write("sub/new\nline")

    assert checkout(repository.root / "sub").changed == ("sub/new\nline", "sub/ä b")


def test_a_name_that_is_not_utf_8_can_be_printed(repository: Repository) -> None:
    repository.commit("a")
    (repository.root / os.fsdecode(b"caf\xe9")).touch()

    assert checkout(repository.root).changed == ("a", "caf\ufffd")


def test_a_merge_changes_what_it_brings_into_the_branch(repository: Repository) -> None:
    repository.commit("base")
    repository.git("checkout", "--quiet", "-b", "topic")
    repository.commit("of-topic")
    repository.git("checkout", "--quiet", "main")
    repository.commit("of-main")
    repository.git("merge", "--quiet", "--no-edit", "topic")

    assert checkout(repository.root).changed == ("of-topic",)


def test_a_shallow_clone_counts_its_only_commit_as_the_first(repository: Repository, tmp_path: Path) -> None:
    repository.commit("a")
    repository.commit("b")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{repository.root}", clone], check=True)

    assert checkout(clone).changed == ("a", "b")


def test_a_detached_head_has_a_commit_and_no_branch(repository: Repository) -> None:
    commit = repository.commit("a")
    repository.git("checkout", "--quiet", "--detach")

    found = checkout(repository.root)

    assert (found.branch, found.commit, found.changed) == ("", commit, ("a",))


def test_a_branch_keeps_its_slashes(repository: Repository) -> None:
    repository.commit("a")
    repository.git("checkout", "--quiet", "-b", "feature/one/two")

    assert checkout(repository.root).branch == "feature/one/two"


def test_a_worktree_has_its_own_root_and_branch(repository: Repository, tmp_path: Path) -> None:
    repository.commit("a")
    repository.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "tree"))

    found = checkout(tmp_path / "tree")

    assert (found.root, found.branch) == (tmp_path / "tree", "other")


def test_before_the_first_commit_only_branch_and_name_are_known(repository: Repository) -> None:
    repository.write("a")

    found = Checkout(root=repository.root, branch="main", default_branch="main", repo="shop")
    assert checkout(repository.root) == found


def test_a_directory_outside_of_git_is_its_own_root(tmp_path: Path) -> None:
    assert checkout(tmp_path) == Checkout(root=tmp_path, repo=tmp_path.name)


def test_a_directory_that_is_not_there_is_outside_of_git(tmp_path: Path) -> None:
    assert checkout(tmp_path / "gone") == Checkout(root=tmp_path / "gone", repo="gone")


def test_a_bare_repository_is_outside_of_git(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path], check=True)

    assert checkout(tmp_path) == Checkout(root=tmp_path, repo=tmp_path.name)


def test_without_a_git_command_every_directory_is_outside_of_git(repository: Repository) -> None:
    repository.commit("a")
    program = (
        "import sys; from pathlib import Path; from runner.workspace.local import checkout;"
        "print(checkout(Path(sys.argv[1])))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, repository.root],
        env={"PATH": "/nonexistent"},
        capture_output=True,
        check=True,
    )

    assert done.stdout.decode().strip() == str(Checkout(root=repository.root, repo="shop"))


def test_a_repository_of_another_user_is_refused_with_gits_advice(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("a")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    with pytest.raises(UsageError, match=r"(?s)dubious ownership.*safe\.directory"):
        checkout(repository.root)


@pytest.mark.parametrize(("file", "content"), [("index", "garbage"), ("config", "broken\n")])
def test_a_damaged_repository_is_refused_with_the_file_that_is_damaged(
    repository: Repository, file: str, content: str
) -> None:
    repository.commit("a")
    (repository.root / ".git" / file).write_text(content)

    with pytest.raises(UsageError, match=f"(?s){repository.root}: git does not say what stands there: .*{file}"):
        checkout(repository.root)


@pytest.mark.parametrize(
    ("address", "repo"),
    [
        ("https://github.com/octocat/hello-world.git", "octocat/hello-world"),
        ("https://github.com/octocat/hello-world", "octocat/hello-world"),
        ("https://github.com/octocat/hello-world.git/", "octocat/hello-world"),
        ("https://github.com/octocat//hello-world", "octocat/hello-world"),
        ("https://gitlab.example.org:8443/group/sub/name.git", "sub/name"),
        ("git@github.com:octocat/hello-world.git", "octocat/hello-world"),
        ("github.com:octocat/hello-world", "octocat/hello-world"),
        ("host:name.git", "name"),
        ("ssh://git@example.org:2222/octocat/hello-world.git", "octocat/hello-world"),
        ("file:///srv/git/octocat/hello-world.git", "octocat/hello-world"),
        ("/srv/git/octocat/hello-world.git", "octocat/hello-world"),
        ("../hello-world", "hello-world"),
        ("https://example.org", "shop"),
    ],
)
def test_the_name_is_the_end_of_the_remotes_path(repository: Repository, address: str, repo: str) -> None:
    repository.git("config", "remote.origin.url", address)

    assert checkout(repository.root).repo == repo


@pytest.mark.parametrize(
    ("address", "repo"),
    [
        (f"https://user:{SECRET}@github.com/octocat/hello-world.git", "octocat/hello-world"),
        (f"https://{SECRET}@example.org/name.git", "name"),
        (f"https://user:{SECRET}@example.org/name", "name"),
        (f"https://user:{SECRET}@example.org", "shop"),
        (f"https://user:{SECRET}@example.org:8443/name", "name"),
        (f"https://user:a/{SECRET}@example.org/name", "name"),
        (f"https://user:a@{SECRET}@example.org/name", "name"),
        (f"https://user:a#{SECRET}@example.org/name", "shop"),
        (f"https://example.org/octocat/name?access_token={SECRET}", "octocat/name"),
        (f"https://example.org/octocat/name#{SECRET}", "octocat/name"),
        (f"user:{SECRET}@example.org:octocat/name", "octocat/name"),
    ],
)
def test_what_is_secret_in_a_remotes_address_is_not_in_the_name(
    repository: Repository, address: str, repo: str
) -> None:
    repository.git("config", "remote.origin.url", address)

    found = checkout(repository.root)

    assert SECRET not in str(found)
    assert found.repo == repo


def test_a_remote_without_an_address_is_none(repository: Repository) -> None:
    repository.git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")

    assert checkout(repository.root).repo == "shop"


def test_the_first_of_several_remotes_names_the_repository(repository: Repository) -> None:
    repository.git("remote", "add", "origin", "https://example.org/me/fork")
    repository.git("remote", "add", "upstream", "https://example.org/them/original")

    assert checkout(repository.root).repo == "me/fork"


def test_parent_and_email_are_those_of_the_head(repository: Repository) -> None:
    first = repository.commit("a")
    assert (checkout(repository.root).parent, checkout(repository.root).email) == ("", "ada@example.org")

    repository.commit("b")

    assert checkout(repository.root).parent == first


def test_the_parent_of_a_shallow_clone_is_known_though_it_is_not_there(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit("a")
    repository.commit("b")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{repository.root}", clone], check=True)

    assert checkout(clone).parent == first


def test_tags_are_those_of_the_head_the_highest_version_first(repository: Repository) -> None:
    repository.commit("a")
    repository.git("tag", "v0.9")
    repository.commit("b")
    assert checkout(repository.root).tags == ()

    for tag in ("v1.9", "v1.10", "v1.2"):
        repository.git("tag", tag)
    repository.git("tag", "--annotate", "--message", "x", "v2.0")

    assert checkout(repository.root).tags == ("v2.0", "v1.10", "v1.9", "v1.2")


def test_the_default_branch_is_the_one_that_the_remote_says(repository: Repository, tmp_path: Path) -> None:
    repository.git("checkout", "--quiet", "-b", "trunk/next")
    repository.commit("a")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", f"file://{repository.root}", clone], check=True)
    Repository(clone).git("checkout", "--quiet", "-b", "main")

    assert checkout(clone).default_branch == "trunk/next"


@pytest.mark.parametrize(
    ("branches", "default"), [(("main", "master"), "main"), (("master",), "master"), ((), "topic")]
)
def test_without_a_remote_the_default_branch_is_a_usual_one_else_the_current(
    repository: Repository, branches: tuple[str, ...], default: str
) -> None:
    repository.git("checkout", "--quiet", "-b", "topic")
    repository.commit("a")
    for branch in branches:
        repository.git("branch", branch)

    assert checkout(repository.root).default_branch == default


def test_a_remote_whose_head_points_to_no_branch_does_not_say(repository: Repository) -> None:
    commit = repository.commit("a")
    repository.git("remote", "add", "origin", "https://example.org/o/r")
    repository.git("update-ref", "--no-deref", "refs/remotes/origin/HEAD", commit)

    assert checkout(repository.root).default_branch == "main"


def test_clone_and_link_are_those_of_the_remote(repository: Repository) -> None:
    repository.git("remote", "add", "origin", f"https://me:{SECRET}@example.org/me/fork.git")

    found = checkout(repository.root)

    assert (found.clone, found.link) == ("https://example.org/me/fork.git", "https://example.org/me/fork")


def test_what_git_keeps_of_a_repository_is_looked_at_as_git_does(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit("a")
    repository.git("clone", "--quiet", "--bare", str(repository.root), str(tmp_path / "bare"))
    repository.git("worktree", "add", "--quiet", str(tmp_path / "beside"))

    assert checkout(tmp_path / "bare").commit == ""
    assert (checkout(tmp_path / "beside").commit, checkout(tmp_path / "beside").branch) == (commit, "beside")


def test_a_git_that_leads_nowhere_makes_no_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").symlink_to(tmp_path / ".git")

    assert checkout(tmp_path) == Checkout(root=tmp_path, repo=tmp_path.name)
