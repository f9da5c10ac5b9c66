import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from runner.dispatch.subject import Given, Subject, find_subject
from runner.errors import UsageError
from runner.plan.model import Facts
from runner.plan.trigger import Commit, PullRequest, Trigger
from runner.plan.trigger import Repository as Home
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


def _subject(**given: Any) -> Subject:  # noqa: ANN401 - as `_facts`
    return find_subject(None, Given(**given))


def _trigger(**given: Any) -> Trigger:  # noqa: ANN401 - as `_facts`
    return _subject(**given).trigger


def _payload(where: Repository, /, **document: Any) -> Path:  # noqa: ANN401 - JSON
    """Write a webhook's payload beside the repository."""
    path = where.root.parent / "payload.json"
    path.write_text(json.dumps(document))
    return path


def _facts(file: Path | None = None, **given: Any) -> Facts:  # noqa: ANN401 - the fields of `Given`, which checks them
    return find_subject(file, Given(**given)).trigger.facts


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

    subject = find_subject(None, Given())

    assert (subject.file, subject.content) == (Path(name), b"the content")


def test_of_several_known_names_the_first_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pipeline.yml", ".pipeline-config.yaml", ".vela.yaml"):
        (tmp_path / name).touch()
    (tmp_path / ".vela.yml").mkdir()
    monkeypatch.chdir(tmp_path)

    assert find_subject(None, Given()).file == Path(".vela.yaml")


def test_a_directory_without_a_pipeline_is_told_which_names_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(
        UsageError, match=r"\.vela\.yml, \.vela\.yaml, \.pipeline-config\.yaml, pipeline\.yml"
    ) as caught:
        find_subject(None, Given())

    assert caught.value.hint == "name a file"


def test_a_named_file_is_taken_also_where_a_known_one_stands(repository: Repository) -> None:
    repository.write("ci/other.yml", "other")

    subject = find_subject(Path("ci/other.yml"), Given())

    assert subject.content == b"other"
    assert subject.checkout.root == repository.root


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
        find_subject(Path(path), Given())


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
    others = {"event_file", "payload", "parameters", "environment", "properties"}
    assert given.keys() | others == {field.name for field in fields(Given)}

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


@pytest.mark.parametrize("event", ["tag", "delete:tag"])
def test_a_tag_event_needs_a_tag(repository: Repository, event: str) -> None:
    with pytest.raises(UsageError, match="a tag event needs a tag") as caught:
        _facts(event=event)

    assert "--tag" in caught.value.hint


def test_a_tag_event_without_a_tag_takes_the_highest_that_points_to_the_commit(repository: Repository) -> None:
    for tag in ("v1.9", "v1.10"):
        repository.git("tag", tag)

    assert _facts(event="tag").tag == "v1.10"
    assert _facts(event="tag", tag="v2").tag == "v2"
    assert _facts().event == "push"


def test_a_push_has_its_branch_for_a_tag_so_that_rules_for_tags_do_not_match(repository: Repository) -> None:
    assert _facts(branch="release").tag == "refs/heads/release"


@pytest.mark.parametrize(
    ("asked", "event"),
    [
        ("push", "push"),
        ("pull_request:synchronize", "pull_request:synchronize"),
        ("deploy", "deployment:created"),
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

    line = find_subject(None, Given()).describe()

    assert line == (f".vela.yml: event push, branch main, {commit[:8]} 'Sell more', by {AUTHOR}, shop, 2 changed paths")


def test_the_first_line_of_a_tag_names_the_tag(repository: Repository) -> None:
    assert ": event tag, tag v1, " in find_subject(None, Given(tag="v1", changed=("a",))).describe()
    assert find_subject(None, Given(changed=("a",))).describe().endswith(", 1 changed path")


def test_the_first_line_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    path.touch()

    line = find_subject(path, Given(repo="")).describe()

    assert line == f"{path}: event push, 0 changed paths"


def test_a_password_in_the_remotes_address_is_in_no_fact_and_in_no_line(repository: Repository) -> None:
    repository.git("config", "remote.origin.url", f"https://me:{SECRET}@example.org/shop.git")

    subject = find_subject(None, Given())

    assert SECRET not in str(subject.trigger)
    assert SECRET not in subject.describe()


def test_a_file_below_a_link_belongs_to_where_it_was_named(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repository.root)

    subject = find_subject(tmp_path / "link" / ".vela.yml", Given())

    assert os.path.realpath(subject.checkout.root) == os.path.realpath(repository.root)
    assert subject.trigger.facts.branch == "main"


def test_the_trigger_of_a_push_is_what_git_says(repository: Repository) -> None:
    repository.git("config", "remote.origin.url", "https://github.com/octocat/shop.git")
    commit = repository.git("rev-parse", "HEAD")

    trigger = _trigger()

    assert trigger.ref == "refs/heads/main"
    assert trigger.commit == Commit(
        sha=commit,
        parent=repository.git("rev-parse", "HEAD^"),
        message="Sell more\n\nmuch more",
        author=AUTHOR,
        email="ada@example.org",
    )
    assert trigger.repository == Home(
        name="octocat/shop",
        branch="main",
        clone="https://github.com/octocat/shop.git",
        link="https://github.com/octocat/shop",
    )
    assert trigger.pull_request is None


@pytest.mark.parametrize(
    ("given", "ref", "tag"),
    [
        ({"branch": "release"}, "refs/heads/release", "refs/heads/release"),
        ({"tag": "v1"}, "refs/tags/v1", "v1"),
        ({"tag": "refs/tags/v1"}, "refs/tags/v1", "v1"),
        ({"tag": "v1", "branch": "release"}, "refs/tags/v1", "v1"),
        ({"event": "deployment"}, "refs/heads/main", "refs/heads/main"),
        ({"event": "pull_request"}, "refs/pull/1/head", "refs/pull/1/head"),
        ({"event": "comment", "branch": "release"}, "refs/pull/1/head", "refs/pull/1/head"),
        ({"event": "pull_request", "tag": "refs/pull/12/head"}, "refs/pull/12/head", "refs/pull/12/head"),
    ],
)
def test_the_ref_is_that_of_what_is_built(repository: Repository, given: dict[str, Any], ref: str, tag: str) -> None:
    trigger = _trigger(**given)

    assert (trigger.ref, trigger.facts.tag) == (ref, tag)


@pytest.mark.parametrize("event", ["pull_request", "comment"])
def test_a_pull_request_goes_from_the_current_branch_to_the_default_one(repository: Repository, event: str) -> None:
    repository.git("checkout", "--quiet", "-b", "topic")

    trigger = _trigger(event=event, tag="refs/pull/12/head")

    assert trigger.facts.branch == "main"
    assert trigger.pull_request == PullRequest(number="12", source="topic", target="main")


def test_the_branch_of_a_pull_request_is_the_one_that_it_goes_to(repository: Repository) -> None:
    trigger = _trigger(event="pull_request", branch="release")

    assert trigger.facts.branch == "release"
    assert trigger.pull_request == PullRequest(number="1", source="main", target="release")


def test_parameters_and_variables_are_passed_on(repository: Repository) -> None:
    trigger = _trigger(event="deployment", parameters={"a": "1"}, environment={"B": "2"})

    assert (trigger.parameters, trigger.environment) == ({"a": "1"}, {"B": "2"})


def test_an_unknown_event_is_refused(repository: Repository) -> None:
    with pytest.raises(UsageError, match="there is no event 'pusch'"):
        _trigger(event="pusch")


def test_a_payload_is_stronger_than_the_local_git_and_weaker_than_options(repository: Repository) -> None:
    payload = _payload(
        repository,
        ref="refs/heads/topic",
        before="b" * 40,
        head_commit={"id": "a" * 40, "message": "theirs", "author": {"username": "ada"}},
        commits=[{"added": ["x"]}],
        repository={"full_name": "octocat/shop", "default_branch": "trunk"},
        sender={"login": "mona"},
    )

    told = _trigger(event_file=payload)
    given = _trigger(event_file=payload, branch="release", sender="me", changed=(), repo="a/b", event="schedule")

    assert told.facts == Facts(
        event="push", branch="topic", tag="refs/heads/topic", repo="octocat/shop", path=("x",), sender="mona"
    )
    assert (told.commit.sha, told.commit.message, told.commit.email) == ("a" * 40, "theirs", "")
    assert (told.repository.name, told.repository.branch) == ("octocat/shop", "trunk")
    assert given.facts == Facts(
        event="schedule", branch="release", tag="refs/heads/release", repo="a/b", path=(), sender="me"
    )
    assert given.ref == "refs/heads/release"
    assert given.repository.name == "a/b"


def test_what_a_payload_does_not_tell_is_as_the_local_git_says(repository: Repository) -> None:
    repository.git("config", "remote.origin.url", "https://github.com/octocat/shop.git")
    payload = _payload(
        repository, action="edited", issue={"number": 12, "title": "Sell more"}, comment={"body": "deploy"}
    )

    trigger = _trigger(event_file=payload)

    assert trigger.facts == Facts(
        event="comment:edited",
        branch="main",
        tag="refs/pull/12/head",
        repo="octocat/shop",
        sender=AUTHOR,
        comment="deploy",
    )
    assert trigger.commit.sha == repository.git("rev-parse", "HEAD")
    assert trigger.commit.message == "Sell more"
    assert trigger.repository.clone == "https://github.com/octocat/shop.git"
    assert trigger.pull_request == PullRequest(number="12", target="main")


def test_the_paths_of_a_pull_request_are_those_of_the_local_git(repository: Repository) -> None:
    payload = _payload(
        repository,
        action="opened",
        number=3,
        pull_request={"base": {"ref": "trunk"}, "head": {"ref": "topic", "sha": "a" * 40}},
    )

    trigger = _trigger(event_file=payload)

    assert (trigger.facts.path, trigger.facts.branch) == (("a", "b"), "trunk")
    assert trigger.pull_request == PullRequest(number="3", source="topic", target="trunk")


def test_a_deleted_tag_keeps_its_name_though_it_has_no_ref_any_more(repository: Repository) -> None:
    payload = _payload(repository, ref="refs/tags/v1", before="b" * 40, head_commit=None)

    trigger = _trigger(event_file=payload)

    assert (trigger.facts.event, trigger.facts.tag, trigger.ref) == ("delete:tag", "v1", "b" * 40)


def test_a_payload_of_an_action_that_no_pipeline_runs_for_is_refused(repository: Repository) -> None:
    payload = _payload(
        repository, action="closed", number=3, pull_request={"base": {"ref": "m"}, "head": {"sha": "a" * 40}}
    )

    with pytest.raises(UsageError, match="there is no event 'pull_request:closed'"):
        _trigger(event_file=payload)


def test_a_payload_that_is_not_there_is_bad_usage(repository: Repository) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.json: No such file"):
        _trigger(event_file=Path("nowhere.json"))


def test_the_first_line_names_all_that_is_special(repository: Repository) -> None:
    repository.git("tag", "v1.0")
    repository.git("checkout", "--quiet", "-b", "topic")
    commit = repository.git("rev-parse", "--short=8", "HEAD")

    line = _subject(
        event="comment", sender="mona", comment="deploy it\nnow", labels=("bug", "urgent"), target="production"
    ).describe()

    assert line == (
        f".vela.yml: event comment:created, branch main, pull request 1 from topic, {commit} 'Sell more', tagged v1.0, "
        f"by {AUTHOR}, sent by mona, to production, comment 'deploy it', labels bug, urgent, shop, 0 changed paths"
    )


def test_the_first_line_shows_the_commit_of_a_payload_without_the_tags_of_another(repository: Repository) -> None:
    repository.git("tag", "v1.0")
    payload = _payload(repository, ref="refs/heads/topic", head_commit={"id": "a" * 40}, commits=[])

    line = _subject(event_file=payload).describe()

    assert line == f".vela.yml: event push, branch topic, aaaaaaaa, sent by {AUTHOR}, shop, 0 changed paths"
