import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from runner.cli.trigger import Given, find_trigger
from runner.errors import UsageError
from runner.plan.model import Facts
from tests.support.repositories import AUTHOR, Repository

SECRET = "hunter2token"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return the repository that the test stands in, with a pipeline and two commits."""
    made = Repository(tmp_path / "shop")
    made.commit(".vela.yml", message="first")
    made.commit("a", "b", message="Sell more\n\nmuch more")
    monkeypatch.chdir(made.root)
    return made


def _facts(file: Path | None = None, **given: Any) -> Facts:  # noqa: ANN401 - the fields of `Given`, which checks them
    return find_trigger(file, Given(**given)).facts


def test_without_options_a_run_is_a_push_of_what_is_checked_out(repository: Repository) -> None:
    repository.git("config", "remote.origin.url", "https://github.com/octocat/shop.git")

    assert _facts() == Facts(
        branch="main", event="push", tag="refs/heads/main", repo="octocat/shop", path=("a", "b"), sender=AUTHOR
    )


@pytest.mark.parametrize("name", [".vela.yml", ".vela.yaml", ".pipeline-config.yaml", "pipeline.yml"])
def test_without_a_file_the_known_names_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_bytes(b"the content")
    monkeypatch.chdir(tmp_path)

    trigger = find_trigger(None, Given())

    assert (trigger.file, trigger.content) == (Path(name), b"the content")


def test_of_several_known_names_the_first_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pipeline.yml", ".pipeline-config.yaml", ".vela.yaml"):
        (tmp_path / name).touch()
    (tmp_path / ".vela.yml").mkdir()
    monkeypatch.chdir(tmp_path)

    assert find_trigger(None, Given()).file == Path(".vela.yaml")


def test_a_directory_without_a_pipeline_is_told_which_names_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(
        UsageError, match=r"\.vela\.yml, \.vela\.yaml, \.pipeline-config\.yaml, pipeline\.yml"
    ) as caught:
        find_trigger(None, Given())

    assert caught.value.hint == "name a file"


def test_a_named_file_is_taken_also_where_a_known_one_stands(repository: Repository) -> None:
    repository.write("ci/other.yml", "other")

    trigger = find_trigger(Path("ci/other.yml"), Given())

    assert trigger.content == b"other"
    assert trigger.checkout.root == repository.root


def test_the_facts_are_those_of_the_files_repository_and_not_of_where_one_stands(
    repository: Repository, tmp_path: Path
) -> None:
    other = Repository(tmp_path / "other")
    other.commit("pipe.yml")
    other.git("checkout", "--quiet", "-b", "elsewhere")

    assert _facts(other.root / "pipe.yml").branch == "elsewhere"


@pytest.mark.parametrize(("path", "trouble"), [("gone.yml", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_bad_usage(repository: Repository, path: str, trouble: str) -> None:
    with pytest.raises(UsageError, match=f"{path}: {trouble}"):
        find_trigger(Path(path), Given())


def test_every_option_is_stronger_than_the_local_git(repository: Repository) -> None:
    given: dict[str, Any] = {
        "event": "comment",
        "branch": "b",
        "tag": "t",
        "target": "production",
        "comment": "deploy it",
        "sender": "s",
        "repo": "r/r",
        "changed": ("c",),
        "labels": ("l", "m"),
        "instance": "https://vela.example.org",
    }
    assert given.keys() == {field.name for field in fields(Given)}

    assert _facts(**given) == Facts(
        event="comment:created",
        branch="b",
        tag="t",
        target="production",
        comment="deploy it",
        sender="s",
        repo="r/r",
        path=("c",),
        label=("l", "m"),
        instance="https://vela.example.org",
    )


@pytest.mark.parametrize(("option", "fact"), [("branch", "branch"), ("sender", "sender"), ("repo", "repo")])
def test_an_empty_option_empties_the_fact(repository: Repository, option: str, fact: str) -> None:
    given: dict[str, Any] = {option: ""}

    assert getattr(_facts(**given), fact) == ""


def test_no_changed_paths_can_be_given(repository: Repository) -> None:
    assert _facts(changed=()).path == ()


def test_a_tag_makes_the_event_a_tag(repository: Repository) -> None:
    facts = _facts(tag="v1.0")

    assert (facts.event, facts.tag, facts.branch) == ("tag", "v1.0", "main")


def test_a_tag_beside_an_event_leaves_the_event(repository: Repository) -> None:
    facts = _facts(tag="v1.0", event="push")

    assert (facts.event, facts.tag) == ("push", "v1.0")


def test_a_tag_event_needs_a_tag(repository: Repository) -> None:
    with pytest.raises(UsageError, match="a tag event needs a tag") as caught:
        _facts(event="tag")

    assert "--tag" in caught.value.hint


def test_a_push_has_its_branch_for_a_tag_so_that_rules_for_tags_do_not_match(repository: Repository) -> None:
    assert _facts(branch="release").tag == "refs/heads/release"


@pytest.mark.parametrize(
    ("asked", "event"),
    [
        ("push", "push"),
        ("pull_request", "pull_request:opened"),
        ("pull_request:synchronize", "pull_request:synchronize"),
        ("comment", "comment:created"),
        ("deployment", "deployment:created"),
        ("schedule", "schedule"),
    ],
)
def test_an_event_gets_its_usual_action(repository: Repository, asked: str, event: str) -> None:
    assert _facts(event=asked).event == event


def test_a_comment_changes_no_files_unless_told(repository: Repository) -> None:
    assert _facts(event="comment").path == ()
    assert _facts(event="comment", changed=("a",)).path == ("a",)


def test_a_detached_head_has_no_branch(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--detach")

    facts = _facts()

    assert (facts.branch, facts.event, facts.path) == ("", "push", ("a", "b"))


def test_outside_of_git_the_facts_are_empty_and_the_directory_names_the_repository(tmp_path: Path) -> None:
    (tmp_path / "p.yml").touch()

    assert _facts(tmp_path / "p.yml") == Facts(event="push", tag="refs/heads/", repo=tmp_path.name)


def test_the_first_line_names_every_fact(repository: Repository) -> None:
    commit = repository.git("rev-parse", "HEAD")

    line = find_trigger(None, Given()).describe()

    assert line == (f".vela.yml: event push, branch main, {commit[:8]} 'Sell more', by {AUTHOR}, shop, 2 changed paths")


def test_the_first_line_of_a_tag_names_the_tag(repository: Repository) -> None:
    assert ": event tag, tag v1, " in find_trigger(None, Given(tag="v1", changed=("a",))).describe()
    assert find_trigger(None, Given(changed=("a",))).describe().endswith(", 1 changed path")


def test_the_first_line_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.touch()

    line = find_trigger(path, Given(repo="")).describe()

    assert line == f"{path}: event push, 0 changed paths"


def test_a_password_in_the_remotes_address_is_in_no_fact_and_in_no_line(repository: Repository) -> None:
    repository.git("config", "remote.origin.url", f"https://me:{SECRET}@example.org/shop.git")

    trigger = find_trigger(None, Given())

    assert SECRET not in str(trigger.facts)
    assert SECRET not in trigger.describe()


def test_a_file_below_a_link_belongs_to_where_it_was_named(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repository.root)

    trigger = find_trigger(tmp_path / "link" / ".vela.yml", Given())

    assert os.path.realpath(trigger.checkout.root) == os.path.realpath(repository.root)
    assert trigger.facts.branch == "main"
