"""What the payload of a GitHub webhook says about why a run happens.

What is read where is that of go-vela/server ``scm/github/webhook.go``; ``create`` events, which Vela ignores, count as
the push of what was created.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from runner.errors import UsageError
from runner.plan.model import Facts
from runner.plan.trigger import Commit, PullRequest, Repository, Trigger
from runner.records import record

_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"
_NOBODY: Final = "0" * 40
_ONE_LABEL: Final = ("labeled", "unlabeled")


@record
class Payload:
    """Why a run happens; a field is empty where the payload does not tell. ``changed`` is None where it tells no paths.

    The event has its action, which may be one that no rule can name.
    """

    trigger: Trigger
    changed: tuple[str, ...] | None = None


def read_payload(content: bytes, file: str) -> Payload:
    """Read a payload; its kind is told from what is in it. ``file`` is its name in messages.

    Raises:
        UsageError: it is not JSON, of no kind that is known, or without something that its kind has.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: this is not JSON: {error}") from error
    root = _Object(data, file)
    for key, read in _KINDS.items():
        if root.has(key):
            payload = read(root)
            return replace(payload, trigger=replace(payload.trigger, repository=_repository(root)))
    raise UsageError(
        f"{file}: this is no payload of a webhook: it has none of {', '.join(_KINDS)}",
        hint="give what GitHub sends for a push, tag, pull request, comment or deployment",
    )


class _Object:
    """A JSON object, and where in which file it is. What is not there, or of another kind, is empty."""

    def __init__(self, data: object, file: str, path: str = "") -> None:
        self._data: Mapping[str, object] = data if isinstance(data, dict) else {}
        self._file = file
        self._path = path

    def has(self, key: str) -> bool:
        return self._data.get(key) is not None

    def flag(self, key: str) -> bool:
        return self._data.get(key) is True

    def inner(self, key: str) -> "_Object":
        return _Object(self._data.get(key), self._file, f"{self._path}{key}.")

    def items(self, key: str) -> list[object]:
        value = self._data.get(key)
        return value if isinstance(value, list) else []

    def objects(self, key: str) -> list["_Object"]:
        return [_Object(item, self._file, f"{self._path}{key}.") for item in self.items(key)]

    def text(self, *keys: str) -> str:
        """Return the first of these that is a text or a number."""
        for key in keys:
            value = self._data.get(key)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return str(value)
        return ""

    def required(self, key: str) -> str:
        value = self.text(key)
        if not value:
            raise UsageError(f"{self._file}: the payload has no {self._path}{key}")
        return value

    def texts(self) -> dict[str, str]:
        """Return all members as texts, a nested one as its JSON."""
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in self._data.items()}

    def parsed(self, key: str) -> "_Object":
        """Return a member that may be written as JSON in a text."""
        value = self._data.get(key)
        try:
            data = json.loads(value) if isinstance(value, str) and value else value
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{self._file}: {self._path}{key} is not JSON: {error}") from error
        return _Object(data, self._file, f"{self._path}{key}.")


def _repository(root: _Object) -> Repository:
    repository = root.inner("repository")
    return Repository(
        name=repository.text("full_name"),
        branch=repository.text("default_branch"),
        clone=repository.text("clone_url"),
        link=repository.text("html_url"),
    )


def _facts(root: _Object, event: str, branch: str, ref: str) -> Facts:
    """Return the facts that are found in the same place whatever happened."""
    return Facts(
        event=event,
        branch=branch,
        tag=ref.removeprefix(_TAGS),
        repo=root.inner("repository").text("full_name"),
        sender=root.inner("sender").text("login"),
    )


def _push(root: _Object) -> Payload:
    ref, head = root.required("ref"), root.inner("head_commit")
    if root.has("ref_type"):
        return _created_or_deleted(root)
    sha = head.text("id")
    if not sha:
        return _deleted(root, ref, root.text("before"))
    author, committer = head.inner("author"), head.inner("committer")
    tagged = ref.startswith(_TAGS)
    # Vela knows the branch of a tag only if GitHub names one that it was made from.
    based = root.text("base_ref") if tagged else ""
    branch = (based if based.startswith(_HEADS) else ref).removeprefix(_HEADS)
    facts = _facts(root, "tag" if tagged else "push", branch, ref)
    before = root.text("before")
    commit = Commit(
        sha=sha,
        parent="" if before == _NOBODY else before,
        message=head.text("message"),
        author=author.text("username") or committer.text("name"),
        email=author.text("email") or committer.text("email"),
    )
    facts = replace(facts, sender=facts.sender or root.inner("pusher").text("name"))
    return Payload(trigger=Trigger(facts=facts, ref=ref, commit=commit), changed=_touched(root))


def _touched(root: _Object) -> tuple[str, ...]:
    """Return the paths that any of the pushed commits touches (``GetAllFilesTouched``)."""
    paths = (
        path
        for commit in root.objects("commits")
        for key in ("added", "removed", "modified")
        for path in commit.items(key)
    )
    return tuple(sorted({path for path in paths if isinstance(path, str)}))


def _created_or_deleted(root: _Object) -> Payload:
    """Read the payload of a ``create`` or ``delete`` event; only the first tells the default branch."""
    name, tagged = root.required("ref"), root.text("ref_type") == "tag"
    ref = name if name.startswith("refs/") else f"{_TAGS if tagged else _HEADS}{name}"
    if not root.has("master_branch"):
        return _deleted(root, ref, "")
    branch = root.text("master_branch") if tagged else name
    return Payload(trigger=Trigger(facts=_facts(root, "tag" if tagged else "push", branch, ref), ref=ref))


def _deleted(root: _Object, ref: str, before: str) -> Payload:
    tagged = ref.startswith(_TAGS)
    name = ref.removeprefix(_TAGS).removeprefix(_HEADS)
    what = "tag" if tagged else "branch"
    facts = replace(_facts(root, f"delete:{what}", name, ref), tag=name if tagged else before or ref)
    commit = Commit(
        sha=before, message=f"{name} {what} deleted", author=facts.sender, email=root.inner("pusher").text("email")
    )
    return Payload(trigger=Trigger(facts=facts, ref=before or ref, commit=commit), changed=())


def _pull_request(root: _Object) -> Payload:
    request, action = root.inner("pull_request"), root.required("action")
    base, head = request.inner("base"), request.inner("head")
    number, branch = request.text("number") or root.required("number"), base.required("ref")
    ref = f"refs/pull/{number}/head"
    labels = [root.inner("label")] if action in _ONE_LABEL else request.objects("labels")
    facts = replace(
        _facts(root, f"pull_request:{action}", branch, ref),
        label=tuple(name for name in (label.text("name") for label in labels) if name),
    )
    user = request.inner("user")
    commit = Commit(
        sha=head.required("sha"),
        parent=base.text("sha"),
        message=request.text("title"),
        author=user.text("login"),
        email=user.text("email"),
    )
    theirs, ours = head.inner("repo"), base.inner("repo")
    fork = theirs.flag("fork") and theirs.text("full_name").lower() != ours.text("full_name").lower()
    opened = PullRequest(number=number, source=head.text("ref"), target=branch, fork=fork)
    return Payload(trigger=Trigger(facts=facts, ref=ref, commit=commit, pull_request=opened))


def _comment(root: _Object) -> Payload:
    """Read a comment on a pull request, whose branches and commit GitHub does not tell with it."""
    issue, comment = root.inner("issue"), root.inner("comment")
    number = issue.required("number")
    ref = f"refs/pull/{number}/head"
    facts = _facts(root, f"comment:{root.required('action')}", "", ref)
    user = issue.inner("user")
    commit = Commit(message=issue.text("title"), author=user.text("login"), email=user.text("email"))
    return Payload(
        trigger=Trigger(
            facts=replace(facts, comment=comment.required("body")),
            ref=ref,
            commit=commit,
            pull_request=PullRequest(number=number),
        ),
        changed=(),
    )


def _deployment(root: _Object) -> Payload:
    deployment = root.inner("deployment")
    named, sha = deployment.required("ref"), deployment.required("sha")
    branch = root.inner("repository").text("default_branch") if sha.startswith(named) else named
    ref = branch if branch.startswith("refs/") else f"{_HEADS}{branch}"
    creator = deployment.inner("creator")
    commit = Commit(
        sha=sha,
        message=deployment.text("description"),
        author=creator.text("login"),
        email=creator.text("email"),
    )
    facts = _facts(root, "deployment:created", branch, ref)
    return Payload(
        trigger=Trigger(
            facts=replace(facts, target=deployment.required("environment")),
            ref=ref,
            commit=commit,
            deployment=deployment.text("id"),
            parameters=deployment.parsed("payload").texts(),
        )
    )


def _merge_group(root: _Object) -> Payload:
    group = root.inner("merge_group")
    head, ref = group.inner("head_commit"), group.required("head_ref")
    author = head.inner("author")
    commit = Commit(
        sha=group.required("head_sha"),
        parent=group.text("base_sha"),
        message=head.text("message"),
        author=author.text("name"),
        email=author.text("email"),
    )
    facts = _facts(root, "merge_group", group.text("base_ref").removeprefix(_HEADS), ref)
    return Payload(trigger=Trigger(facts=facts, ref=ref, commit=commit))


_KINDS: Final[Mapping[str, Callable[[_Object], Payload]]] = {
    "pull_request": _pull_request,
    "comment": _comment,
    "deployment": _deployment,
    "merge_group": _merge_group,
    "ref": _push,
}
"""What only payloads of one kind have, and how those are read."""
