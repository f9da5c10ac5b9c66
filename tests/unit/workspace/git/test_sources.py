import os
import shutil
import threading
from pathlib import Path

import pytest

from runner.errors import UnwantedError, UsageError, WorkspaceError
from runner.settings import GitSettings
from runner.workspace.git.mirror import Mirror
from runner.workspace.git.process import Git
from runner.workspace.git.spec import SourceSpec
from runner.workspace.local import checkout
from tests.support.fetching import asked, slots, sources, spec
from tests.support.repositories import AUTHOR, Repository

NOWHERE = "1" * 40


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """A repository with three commits, the files a and b in the last two, c in the last."""
    repository = Repository(tmp_path / "upstream" / "shop.git")
    for name in "abc":
        repository.commit(name, message=f"add {name}")
    return repository


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    return tmp_path / "mirrors"


def test_a_commit_comes_with_its_files_and_its_parent(upstream: Repository, mirrors: Path) -> None:
    commit = upstream.git("rev-parse", "HEAD")

    with sources(mirrors).fetched(spec(upstream, commit=commit)) as found:
        assert sorted(path.name for path in found.path.iterdir()) == [".git", "a", "b", "c"]
        assert (found.commit, found.ref, found.url) == (commit, "", f"file://{upstream.root}")
        assert asked(found.path, "log", "--format=%s").splitlines() == ["add c", "add b"]
        assert asked(found.path, "status", "--porcelain") == ""
        assert asked(found.path, "diff", "--name-only", "HEAD^") == "c"


def test_a_first_commit_comes_without_any(upstream: Repository, mirrors: Path) -> None:
    commit = upstream.git("rev-parse", "HEAD~2")

    with sources(mirrors).fetched(spec(upstream, commit=commit)) as found:
        assert asked(found.path, "log", "--format=%s") == "add a"
        assert not (found.path / ".git" / "shallow").exists()


def test_all_history_comes_if_it_is_asked_for(upstream: Repository, mirrors: Path) -> None:
    commit = upstream.git("rev-parse", "HEAD")
    with sources(mirrors).fetched(spec(upstream, commit=commit)):
        pass

    with sources(mirrors).fetched(spec(upstream, commit=commit, history=True)) as found:
        assert asked(found.path, "rev-list", "--count", "HEAD") == "3"


def test_what_a_tree_shows_of_history_does_not_depend_on_earlier_ones(upstream: Repository, mirrors: Path) -> None:
    upstream.commit("d")
    upstream.commit("e")

    for name in ("HEAD~3", "HEAD~1", "HEAD~2", "HEAD", "HEAD~1"):
        with sources(mirrors).fetched(spec(upstream, commit=upstream.git("rev-parse", name))) as found:
            assert asked(found.path, "rev-list", "--count", "HEAD") == "2"
            assert asked(found.path, "fsck", "--full", "--no-dangling") == ""


def test_a_commit_that_is_there_is_had_without_git(
    upstream: Repository, mirrors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = spec(upstream, commit=upstream.git("rev-parse", "HEAD"))
    with sources(mirrors).fetched(wanted) as first:
        pass
    monkeypatch.setattr(Git, "_start", None)

    with sources(mirrors).fetched(wanted) as second:
        assert second == first


def test_the_next_commit_writes_only_what_differs(upstream: Repository, mirrors: Path) -> None:
    before, after = upstream.git("rev-parse", "HEAD~1"), upstream.git("rev-parse", "HEAD")
    with sources(mirrors).fetched(spec(upstream, commit=before)) as first:
        inode = (first.path / "a").stat().st_ino

    with sources(mirrors).fetched(spec(upstream, commit=after)) as second:
        assert second.path == first.path
        assert (second.path / "a").stat().st_ino == inode
        assert asked(second.path, "status", "--porcelain") == ""

    with sources(mirrors).fetched(spec(upstream, commit=before)) as third:
        assert sorted(path.name for path in third.path.iterdir()) == [".git", "a", "b"]


def test_a_tree_that_a_run_stands_on_does_not_change(upstream: Repository, mirrors: Path) -> None:
    before, after = upstream.git("rev-parse", "HEAD~1"), upstream.git("rev-parse", "HEAD")

    with (
        sources(mirrors).fetched(spec(upstream, commit=before)) as first,
        sources(mirrors).fetched(spec(upstream, commit=after)) as second,
    ):
        assert first.path != second.path
        assert not (first.path / "c").exists()
        assert (second.path / "c").exists()


def test_a_branch_is_what_a_clone_has(upstream: Repository, mirrors: Path) -> None:
    upstream.git("checkout", "-q", "-b", "feature/x", "HEAD~1")

    with sources(mirrors).fetched(spec(upstream, ref="main")) as found:
        assert (found.ref, found.default) == ("refs/heads/main", "refs/heads/feature/x")
        assert asked(found.path, "status", "--short", "--branch") == "## main...origin/main"
    with sources(mirrors).fetched(spec(upstream)) as found:
        assert (found.ref, found.default) == ("refs/heads/feature/x",) * 2
        assert asked(found.path, "rev-parse", "--abbrev-ref", "origin/HEAD") == "origin/feature/x"


def test_the_facts_of_a_run_are_those_of_the_commit(upstream: Repository, mirrors: Path) -> None:
    with sources(mirrors).fetched(spec(upstream)) as found:
        told = checkout(found.path)

    assert (told.branch, told.default_branch, told.commit) == ("main", "main", upstream.git("rev-parse", "HEAD"))
    assert (told.author, told.message, told.changed) == (AUTHOR, "add c", ("c",))
    assert (told.repo, told.clone) == ("upstream/shop", f"file://{upstream.root}")


@pytest.mark.parametrize("options", [(), ("-a", "-m", "a version")])
@pytest.mark.parametrize("ref", ["v1", "refs/tags/v1"])
def test_a_tag_leads_to_its_commit(upstream: Repository, mirrors: Path, options: tuple[str, ...], ref: str) -> None:
    upstream.git("tag", *options, "v1", "HEAD~1")

    for _ in range(2):
        with sources(mirrors).fetched(spec(upstream, ref=ref)) as found:
            assert (found.commit, found.ref) == (upstream.git("rev-parse", "HEAD~1"), "refs/tags/v1")
            assert asked(found.path, "describe", "--tags") == "v1"
            assert asked(found.path, "rev-parse", "v1") == upstream.git("rev-parse", "v1")
            assert checkout(found.path).tags == ("v1",)


def test_a_branch_counts_before_a_tag_of_its_name(upstream: Repository, mirrors: Path) -> None:
    upstream.git("tag", "main", "HEAD~2")

    with sources(mirrors).fetched(spec(upstream, ref="main")) as found:
        assert found.ref == "refs/heads/main"
    with sources(mirrors).fetched(spec(upstream, ref="refs/tags/main")) as found:
        assert found.commit == upstream.git("rev-parse", "HEAD~2")


def test_a_pull_request_is_had_by_its_ref(upstream: Repository, mirrors: Path) -> None:
    commit = upstream.git("commit-tree", "HEAD^{tree}", "-p", "HEAD~1", "-m", "of a fork")
    upstream.git("update-ref", "refs/pull/12/head", commit)

    with sources(mirrors).fetched(spec(upstream, ref="refs/pull/12/head")) as found:
        assert found.commit == commit
        assert asked(found.path, "rev-parse", "HEAD", "refs/pull/12/head").split() == [commit, commit]
        assert checkout(found.path).branch == ""


def test_a_commit_is_known_under_the_branch_that_is_named_with_it(upstream: Repository, mirrors: Path) -> None:
    commit = upstream.git("rev-parse", "HEAD~1")

    with sources(mirrors).fetched(spec(upstream, commit=commit, ref="main")) as found:
        assert checkout(found.path).branch == "main"
        assert found.commit == commit


@pytest.mark.parametrize("ref", ["", "main", "refs/heads/main"])
def test_the_beginning_of_a_commit_will_do(upstream: Repository, mirrors: Path, ref: str) -> None:
    commit = upstream.git("rev-parse", "HEAD~1")

    with sources(mirrors).fetched(spec(upstream, commit=commit[:7], ref=ref)) as found:
        assert found.commit == commit


def test_the_beginning_of_two_commits_is_none(
    upstream: Repository, mirrors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mirror, "held", lambda *_: ("abcdef01", "abcdef02"))

    with (
        pytest.raises(WorkspaceError, match="commit abcdef0 was not found: 2 commits begin so: abcdef01, abcdef02"),
        sources(mirrors).fetched(spec(upstream, commit="abcdef0")),
    ):
        pass


def test_the_beginning_of_a_commit_counts_only_in_the_history_of_its_branch(
    upstream: Repository, mirrors: Path
) -> None:
    upstream.git("checkout", "-q", "-b", "other")
    commit = upstream.commit("d")
    with sources(mirrors).fetched(spec(upstream, commit=commit[:10])) as found:
        assert found.commit == commit

    with (
        pytest.raises(WorkspaceError, match=r"not found: it is not in the history of refs/heads/main$"),
        sources(mirrors).fetched(spec(upstream, commit=commit[:10], ref="main")),
    ):
        pass


@pytest.mark.parametrize(
    ("commit", "ref", "message"),
    [
        (NOWHERE, "", f"commit {NOWHERE} was not found: .*not our ref {NOWHERE}"),
        (NOWHERE[:8], "", f"commit {NOWHERE[:8]} was not found: it is not in the history of any branch or tag"),
        ("", "none", "none was not found: there is no refs/heads/none nor refs/tags/none"),
        ("", "refs/pull/9/head", "refs/pull/9/head was not found: there is no refs/pull/9/head"),
    ],
)
def test_what_is_not_there_is_named_with_its_repository(
    upstream: Repository, mirrors: Path, commit: str, ref: str, message: str
) -> None:
    with (
        pytest.raises(WorkspaceError, match=f"^file://{upstream.root}: {message}") as caught,
        sources(mirrors).fetched(spec(upstream, commit=commit, ref=ref)),
    ):
        pass

    assert caught.value.hint == "was it pushed, and is it still there?"


def test_what_is_pushed_a_moment_later_is_found(
    upstream: Repository, mirrors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed: list[str] = []

    def late(*_: object) -> None:
        if not pushed:
            upstream.git("branch", "late")
            pushed.append("late")

    monkeypatch.setattr("runner.workspace.git.process.Watch.sleep", late)
    with sources(mirrors).fetched(spec(upstream, ref="late")) as found:
        assert found.ref == "refs/heads/late"


def test_a_repository_without_commits_has_no_branch(tmp_path: Path, mirrors: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match="its default branch was not found: it is empty"),
        sources(mirrors).fetched(spec(Repository(tmp_path / "empty"))),
    ):
        pass


@pytest.mark.parametrize("commit", ["", NOWHERE])
def test_a_directory_that_is_no_repository_is_named(tmp_path: Path, mirrors: Path, commit: str) -> None:
    with (
        pytest.raises(WorkspaceError, match=r"cannot be fetched: .*does not appear to be a git repository") as caught,
        sources(mirrors).fetched(SourceSpec(url=str(tmp_path / "none"), commit=commit)),
    ):
        pass

    assert caught.value.hint.startswith("check the address")


def test_an_address_that_is_not_allowed_is_refused(upstream: Repository, mirrors: Path) -> None:
    with (
        pytest.raises(UsageError, match="file is not allowed"),
        sources(mirrors, GitSettings()).fetched(spec(upstream)),
    ):
        pass

    assert not mirrors.exists()


def test_a_place_that_cannot_be_written_is_named(upstream: Repository, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(WorkspaceError, match=f"cannot be kept in {tmp_path}/file: "),
        sources(tmp_path / "file").fetched(spec(upstream)),
    ):
        pass


def test_what_is_not_wanted_is_given_up_and_can_be_had_later(upstream: Repository, mirrors: Path) -> None:
    for count in range(1, 30, 3):
        left = iter(range(count))
        try:
            with sources(mirrors).fetched(spec(upstream), wanted=lambda left=left: next(left, None) is not None):  # type: ignore[misc] # the default binds the loop's variable
                break
        except UnwantedError:
            continue

    with sources(mirrors).fetched(spec(upstream)) as found:
        assert asked(found.path, "status", "--porcelain") == ""


def test_runs_at_the_same_time_get_what_each_wants(upstream: Repository, mirrors: Path) -> None:
    commits = upstream.git("rev-list", "HEAD").split() * 3
    seen: dict[int, str] = {}
    meeting = threading.Barrier(len(commits))

    def fetch(number: int) -> None:
        with sources(mirrors).fetched(spec(upstream, commit=commits[number])) as found:
            meeting.wait(30)
            seen[number] = asked(found.path, "rev-parse", "HEAD") + asked(found.path, "status", "--porcelain")

    threads = [threading.Thread(target=fetch, args=(number,)) for number in range(len(commits))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == dict(enumerate(commits))
    assert len(slots(mirrors)) == 3


def test_trees_that_nobody_uses_do_not_pile_up(upstream: Repository, mirrors: Path) -> None:
    for _ in range(4):
        upstream.commit("a", message="again " + os.urandom(4).hex())
    leases = [
        sources(mirrors).fetched(spec(upstream, commit=each)) for each in upstream.git("rev-list", "HEAD").split()
    ]
    for lease in leases:
        lease.__enter__()
    for lease in leases:
        lease.__exit__(None, None, None)

    with sources(mirrors).fetched(spec(upstream, ref="main")):
        assert len(slots(mirrors)) == 3


def test_a_tree_needs_nothing_outside_of_itself(upstream: Repository, mirrors: Path, tmp_path: Path) -> None:
    with sources(mirrors).fetched(spec(upstream)) as found:
        shutil.copytree(found.path, tmp_path / "elsewhere", symlinks=True)
    shutil.rmtree(mirrors)
    shutil.rmtree(upstream.root)

    assert asked(tmp_path / "elsewhere", "fsck", "--full", "--strict") == ""
    assert asked(tmp_path / "elsewhere", "log", "--format=%s").splitlines() == ["add c", "add b"]
    assert asked(tmp_path / "elsewhere", "status", "--porcelain") == ""
    assert asked(tmp_path / "elsewhere", "remote", "-v").split()[1] == f"file://{upstream.root}"


def test_steps_of_any_user_read_a_tree_and_others_of_this_machine_do_not(upstream: Repository, mirrors: Path) -> None:
    before = os.umask(0o077)
    try:
        with sources(mirrors).fetched(spec(upstream)) as found:
            modes = {path.stat().st_mode & 0o777 for path in (found.path, found.path / ".git", found.path / "a")}
    finally:
        os.umask(before)

    assert modes == {0o755, 0o644}
    assert next(mirrors.iterdir()).stat().st_mode & 0o777 == 0o700
