import pytest

from runner.errors import UsageError
from runner.workspace.git.spec import SourceSpec

URL = "https://example.org/o/r"
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("commit", ["", SHA, SHA[:7]])
@pytest.mark.parametrize("ref", ["", "main", "feature/a-b_c", "refs/pull/12/head", "v1.0", "ü", "a@b", "x.locked"])
def test_commits_and_refs_are_taken(commit: str, ref: str) -> None:
    assert SourceSpec(url=URL, commit=commit, ref=ref).exact == (commit == SHA)


@pytest.mark.parametrize(
    "commit", ["main", "abc123", SHA.upper(), SHA + "0", "-0123456", "HEAD", SHA + "\n", "a..b123"]
)
def test_what_is_no_commit_is_refused(commit: str) -> None:
    with pytest.raises(UsageError, match="not a commit"):
        SourceSpec(url=URL, commit=commit)


@pytest.mark.parametrize(
    "ref",
    [
        *("-x", "--upload-pack=x", "/a", "a/", "a//b", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b"),
        *("@", "a@{1}", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a\nb", "a\x7f", "+a:b"),
    ],
)
def test_what_git_takes_for_no_ref_is_refused(ref: str) -> None:
    with pytest.raises(UsageError, match="not a branch or tag"):
        SourceSpec(url=URL, ref=ref)


@pytest.mark.parametrize(
    ("ref", "name"),
    [("", ""), ("main", "refs/heads/main"), ("refs/tags/v1", "refs/tags/v1"), ("a/b", "refs/heads/a/b")],
)
def test_a_short_name_is_that_of_a_branch_until_a_server_is_asked(ref: str, name: str) -> None:
    assert SourceSpec(url=URL, ref=ref).name == name


@pytest.mark.parametrize(
    ("commit", "ref", "goal"),
    [(SHA, "main", f"commit {SHA}"), ("", "main", "main"), ("", "", "its default branch")],
)
def test_messages_name_what_is_wanted(commit: str, ref: str, goal: str) -> None:
    assert SourceSpec(url=URL, commit=commit, ref=ref).goal == goal
