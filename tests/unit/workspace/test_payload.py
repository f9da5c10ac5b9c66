import json
from typing import Any

import pytest

from runner.errors import UsageError
from runner.plan.model import Facts
from runner.plan.trigger import Commit, PullRequest, Repository
from runner.workspace.payload import Payload, read_payload

BEFORE, AFTER = "b" * 40, "a" * 40
COMMON: dict[str, Any] = {
    "repository": {
        "full_name": "octocat/hello",
        "default_branch": "main",
        "clone_url": "https://github.com/octocat/hello.git",
        "html_url": "https://github.com/octocat/hello",
    },
    "sender": {"login": "mona"},
}
HEAD: dict[str, Any] = {
    "id": AFTER,
    "message": "Sell more",
    "author": {"name": "Ada Lovelace", "username": "ada", "email": "ada@example.org"},
    "committer": {"name": "GitHub", "email": "noreply@example.org"},
}
PUSH: dict[str, Any] = {
    **COMMON,
    "ref": "refs/heads/main",
    "before": BEFORE,
    "base_ref": None,
    "head_commit": HEAD,
    "commits": [
        {"added": ["b"], "removed": [], "modified": ["a"]},
        {"added": [], "removed": ["c"], "modified": ["a", "d"]},
    ],
}
PULL_REQUEST: dict[str, Any] = {
    **COMMON,
    "action": "opened",
    "number": 12,
    "pull_request": {
        "title": "Sell more",
        "user": {"login": "ada"},
        "base": {"ref": "main", "sha": BEFORE, "repo": {"full_name": "octocat/hello"}},
        "head": {"ref": "topic", "sha": AFTER, "repo": {"full_name": "ada/hello", "fork": True}},
        "labels": [{"name": "bug"}, {"name": "urgent"}],
    },
}
COMMENT: dict[str, Any] = {
    **COMMON,
    "action": "created",
    "issue": {"number": 12, "title": "Sell more", "user": {"login": "ada"}, "pull_request": {}},
    "comment": {"body": "deploy it\nnow"},
}
DEPLOYMENT: dict[str, Any] = {
    **COMMON,
    "action": "created",
    "deployment": {
        "id": 7,
        "ref": "release",
        "sha": AFTER,
        "environment": "production",
        "description": "Friday",
        "creator": {"login": "ada"},
        "payload": {"cluster": "east", "replicas": 3},
    },
}
MERGE_GROUP: dict[str, Any] = {
    **COMMON,
    "action": "checks_requested",
    "merge_group": {
        "head_sha": AFTER,
        "base_sha": BEFORE,
        "base_ref": "refs/heads/main",
        "head_ref": "refs/heads/gh-readonly-queue/main/pr-12",
        "head_commit": {"message": "Merge", "author": {"name": "Ada", "email": "ada@example.org"}},
    },
}


def _read(document: object) -> Payload:
    return read_payload(json.dumps(document).encode(), "p.json")


def _facts(document: object) -> Facts:
    return _read(document).trigger.facts


def _without(document: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a document that lacks the member at ``a.b.c``."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    *above, last = path.split(".")
    inner = copy
    for key in above:
        inner = inner[key]
    del inner[last]
    return copy


def test_a_push_tells_branch_commit_author_and_the_paths_of_all_its_commits() -> None:
    payload = _read(PUSH)

    assert payload.trigger.facts == Facts(
        event="push", branch="main", tag="refs/heads/main", repo="octocat/hello", sender="mona"
    )
    assert payload.trigger.ref == "refs/heads/main"
    assert payload.trigger.commit == Commit(
        sha=AFTER, parent=BEFORE, message="Sell more", author="ada", email="ada@example.org"
    )
    assert payload.changed == ("a", "b", "c", "d")


def test_every_payload_tells_the_repository() -> None:
    expected = Repository(
        name="octocat/hello",
        branch="main",
        clone="https://github.com/octocat/hello.git",
        link="https://github.com/octocat/hello",
    )

    for document in (PUSH, PULL_REQUEST, COMMENT, DEPLOYMENT, MERGE_GROUP):
        assert _read(document).trigger.repository == expected


def test_a_first_push_has_no_parent() -> None:
    assert _read({**PUSH, "before": "0" * 40}).trigger.commit.parent == ""


def test_an_author_without_a_name_at_the_host_is_the_committer() -> None:
    head = {**HEAD, "author": {"name": "Ada"}}

    commit = _read({**PUSH, "head_commit": head}).trigger.commit

    assert (commit.author, commit.email) == ("GitHub", "noreply@example.org")


def test_a_push_without_a_sender_was_sent_by_the_pusher() -> None:
    assert _facts({**_without(PUSH, "sender"), "pusher": {"name": "lisa"}}).sender == "lisa"


@pytest.mark.parametrize(
    ("base", "branch"),
    [("refs/heads/release", "release"), (None, "refs/tags/v1.0"), ("refs/tags/v0", "refs/tags/v1.0")],
)
def test_a_pushed_tag_is_an_event_tag_on_the_branch_that_it_was_made_from(base: str | None, branch: str) -> None:
    payload = _read({**PUSH, "ref": "refs/tags/v1.0", "base_ref": base})

    facts = payload.trigger.facts
    assert (facts.event, facts.tag, facts.branch) == ("tag", "v1.0", branch)
    assert payload.trigger.ref == "refs/tags/v1.0"


@pytest.mark.parametrize(
    ("ref", "event", "tag"),
    [("refs/heads/topic", "delete:branch", BEFORE), ("refs/tags/v1.0", "delete:tag", "v1.0")],
)
def test_a_push_of_nothing_is_a_deletion(ref: str, event: str, tag: str) -> None:
    payload = _read({**PUSH, "ref": ref, "head_commit": None, "deleted": True, "commits": []})

    facts = payload.trigger.facts
    assert (facts.event, facts.branch, facts.tag) == (event, ref.rpartition("/")[2], tag)
    assert payload.trigger.commit.sha == BEFORE
    assert payload.trigger.commit.message.endswith("deleted")
    assert payload.changed == ()


@pytest.mark.parametrize(
    ("document", "event", "branch", "ref"),
    [
        ({"ref": "v1", "ref_type": "tag", "master_branch": "main"}, "tag", "main", "refs/tags/v1"),
        ({"ref": "topic", "ref_type": "branch", "master_branch": "main"}, "push", "topic", "refs/heads/topic"),
        ({"ref": "topic", "ref_type": "branch"}, "delete:branch", "topic", "refs/heads/topic"),
        ({"ref": "v1", "ref_type": "tag"}, "delete:tag", "v1", "refs/tags/v1"),
    ],
)
def test_what_was_created_or_deleted_is_told_by_its_type(
    document: dict[str, str], event: str, branch: str, ref: str
) -> None:
    payload = _read({**COMMON, **document})

    assert (payload.trigger.facts.event, payload.trigger.facts.branch) == (event, branch)
    assert payload.trigger.ref == ref


def test_a_pull_request_tells_its_branches_and_labels_and_is_built_for_its_base() -> None:
    payload = _read(PULL_REQUEST)

    assert payload.trigger.facts == Facts(
        event="pull_request:opened",
        branch="main",
        tag="refs/pull/12/head",
        repo="octocat/hello",
        sender="mona",
        label=("bug", "urgent"),
    )
    assert payload.trigger.ref == "refs/pull/12/head"
    assert payload.trigger.pull_request == PullRequest(number="12", source="topic", target="main", fork=True)
    assert payload.trigger.commit == Commit(sha=AFTER, parent=BEFORE, message="Sell more", author="ada")
    assert payload.changed is None


@pytest.mark.parametrize("action", ["labeled", "unlabeled"])
def test_a_pull_request_whose_labels_change_has_the_one_that_did(action: str) -> None:
    assert _facts({**PULL_REQUEST, "action": action, "label": {"name": "urgent"}}).label == ("urgent",)


@pytest.mark.parametrize(
    "head", [{"full_name": "Octocat/Hello", "fork": True}, {"full_name": "a/b", "fork": False}, None]
)
def test_a_pull_request_within_one_repository_is_from_no_fork(head: dict[str, object] | None) -> None:
    document: dict[str, Any] = json.loads(json.dumps(PULL_REQUEST))
    document["pull_request"]["head"]["repo"] = head

    found = _read(document).trigger.pull_request

    assert found is not None
    assert not found.fork


def test_a_comment_tells_its_text_and_the_number_of_the_pull_request() -> None:
    payload = _read(COMMENT)

    assert payload.trigger.facts == Facts(
        event="comment:created",
        tag="refs/pull/12/head",
        repo="octocat/hello",
        sender="mona",
        comment="deploy it\nnow",
    )
    assert payload.trigger.pull_request == PullRequest(number="12")
    assert payload.trigger.commit == Commit(message="Sell more", author="ada")
    assert payload.changed == ()


def test_a_deployment_tells_its_target_number_and_parameters() -> None:
    trigger = _read(DEPLOYMENT).trigger

    assert trigger.facts == Facts(
        event="deployment:created",
        branch="release",
        tag="refs/heads/release",
        repo="octocat/hello",
        sender="mona",
        target="production",
    )
    assert (trigger.deployment, trigger.ref) == ("7", "refs/heads/release")
    assert trigger.parameters == {"cluster": "east", "replicas": "3"}
    assert trigger.commit == Commit(sha=AFTER, message="Friday", author="ada")


@pytest.mark.parametrize(
    ("ref", "branch", "full", "tag"),
    [
        (AFTER, "main", "refs/heads/main", "refs/heads/main"),
        (AFTER[:7], "main", "refs/heads/main", "refs/heads/main"),
        ("refs/tags/v1", "refs/tags/v1", "refs/tags/v1", "v1"),
    ],
)
def test_a_deployment_of_a_commit_is_one_of_the_default_branch(ref: str, branch: str, full: str, tag: str) -> None:
    trigger = _read({**DEPLOYMENT, "deployment": {**DEPLOYMENT["deployment"], "ref": ref}}).trigger

    assert (trigger.facts.branch, trigger.ref, trigger.facts.tag) == (branch, full, tag)


@pytest.mark.parametrize(
    ("given", "parameters"),
    [('{"a": "1"}', {"a": "1"}), ("", {}), (None, {}), ({"a": {"b": [True]}}, {"a": '{"b": [true]}'})],
)
def test_the_parameters_of_a_deployment_are_texts(given: object, parameters: dict[str, str]) -> None:
    document: dict[str, Any] = json.loads(json.dumps(DEPLOYMENT))
    document["deployment"]["payload"] = given

    assert _read(document).trigger.parameters == parameters


def test_a_merge_group_is_built_for_its_base() -> None:
    payload = _read(MERGE_GROUP)

    facts = payload.trigger.facts
    assert (facts.event, facts.branch, facts.tag) == (
        "merge_group",
        "main",
        "refs/heads/gh-readonly-queue/main/pr-12",
    )
    assert payload.trigger.commit == Commit(
        sha=AFTER, parent=BEFORE, message="Merge", author="Ada", email="ada@example.org"
    )


@pytest.mark.parametrize(
    ("document", "missing"),
    [
        (PULL_REQUEST, "action"),
        (PULL_REQUEST, "pull_request.base.ref"),
        (PULL_REQUEST, "pull_request.head.sha"),
        (PULL_REQUEST, "number"),
        (COMMENT, "issue.number"),
        (COMMENT, "comment.body"),
        (COMMENT, "action"),
        (DEPLOYMENT, "deployment.ref"),
        (DEPLOYMENT, "deployment.sha"),
        (DEPLOYMENT, "deployment.environment"),
        (MERGE_GROUP, "merge_group.head_sha"),
    ],
)
def test_what_a_payload_lacks_is_named(document: dict[str, Any], missing: str) -> None:
    with pytest.raises(UsageError, match=rf"^p\.json: the payload has no {missing}$"):
        _read(_without(document, missing))


@pytest.mark.parametrize("document", [{}, [], "push", 1, None, {"zen": "x"}, {"pull_request": None}, {"ref": None}])
def test_what_is_no_payload_is_refused_with_what_would_make_it_one(document: object) -> None:
    with pytest.raises(
        UsageError, match=r"p\.json: this is no payload of a webhook: it has none of pull_request, comment"
    ):
        _read(document)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "cut", "bytes", "deep"])
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"^p\.json: this is not JSON: "):
        read_payload(content, "p.json")


def test_deployment_parameters_that_are_not_json_are_refused() -> None:
    document: dict[str, Any] = json.loads(json.dumps(DEPLOYMENT))
    document["deployment"]["payload"] = "{"

    with pytest.raises(UsageError, match=r"p\.json: deployment\.payload is not JSON"):
        _read(document)


@pytest.mark.parametrize("kind", [{}, [], 1, True, "x"], ids=repr)
def test_members_of_another_kind_than_expected_count_as_missing(kind: object) -> None:
    for key in ("head_commit", "commits", "repository", "sender", "before"):
        assert _facts({**PUSH, key: kind}).event in ("push", "delete:branch")
