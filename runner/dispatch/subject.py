"""Which file a command is about, and why it runs: as options say, else a webhook's payload, else the local git."""

import os.path
import re
from collections.abc import Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from runner.dialects.findings import nearest
from runner.errors import UsageError
from runner.plan import events
from runner.plan.model import Facts
from runner.plan.trigger import Commit, PullRequest, Repository, Trigger
from runner.records import record
from runner.workspace.files import read
from runner.workspace.local import Checkout, checkout

if TYPE_CHECKING:
    from runner.workspace.payload import Payload

_NAMES: Final = (".vela.yml", ".vela.yaml", ".pipeline-config.yaml", "pipeline.yml")
_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"
_REQUEST: Final = re.compile(r"refs/pull/([0-9]+)(/.*)?")
_OF_REQUESTS: Final = ("pull_request", "comment")
_OF_TAGS: Final = ("tag", "delete:tag")
_NO_NUMBER: Final = "1"
"""The pull request of a run that was told of none, as in ``vela exec``."""

_Part = TypeVar("_Part", Facts, Commit, Repository, PullRequest)


@record
class Given:
    """What somebody says of a run; None or empty where a payload or the local git decides.

    A payload is what a webhook sent: ``payload``, or the content of ``event_file``.
    """

    event: str = ""
    event_file: Path | None = None
    payload: bytes = b""
    branch: str | None = None
    tag: str | None = None
    target: str = ""
    comment: str = ""
    sender: str | None = None
    repo: str | None = None
    changed: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    instance: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


@record
class Subject:
    """A file to run or compile, the directory that it belongs to, and why; ``payload`` is what a webhook sent."""

    file: Path
    content: bytes
    checkout: Checkout
    trigger: Trigger
    payload: bytes = b""

    @property
    def path(self) -> str:
        """The path of the file from the top of its repository; that on this machine if it lies elsewhere."""
        file, root = self.file.resolve(), self.checkout.root.resolve()
        return str(file.relative_to(root) if file.is_relative_to(root) else self.file)

    def describe(self) -> str:
        """Return why it runs in one line."""
        trigger, facts = self.trigger, self.trigger.facts
        commit, request = trigger.commit, trigger.pull_request
        tags = "" if facts.event in _OF_TAGS or commit.sha != self.checkout.commit else ", ".join(self.checkout.tags)
        parts = (
            f"event {facts.event}",
            f"tag {facts.tag}" if facts.event in _OF_TAGS else "",
            facts.branch and f"branch {facts.branch}",
            f"pull request {request.number}" + (f" from {request.source}" if request.source else "") if request else "",
            f"{commit.sha[:8]} {commit.title!r}" if commit.sha and commit.message else commit.sha[:8],
            tags and f"tagged {tags}",
            commit.author and f"by {commit.author}",
            f"sent by {facts.sender}" if facts.sender != commit.author and facts.sender else "",
            facts.target and f"to {facts.target}",
            facts.comment and f"comment {facts.comment.partition(chr(10))[0]!r}",
            facts.label and f"labels {', '.join(facts.label)}",
            facts.repo,
            f"{len(facts.path)} changed path{'' if len(facts.path) == 1 else 's'}",
        )
        return f"{self.file}: " + ", ".join(part for part in parts if part)


def find_subject(file: Path | None, given: Given, directory: Path | None = None) -> Subject:
    """Read the file and find out why it runs; the local git is that of ``directory``, if there is one, else the file's.

    Raises:
        UsageError: there is no such file, it cannot be read, or the facts do not fit together.
    """
    path = file or default_file()
    content = _read(path)
    local = checkout(directory or path.absolute().parent)
    sent = _read(given.event_file) if given.event_file else given.payload
    payload = _payload(sent, given.event_file) if sent or given.event_file else None
    trigger = _trigger(given, payload, local)
    return Subject(file=path, content=content, checkout=local, trigger=trigger, payload=sent)


def default_file(directory: Path | None = None, shown: str = "") -> Path:
    """Return the pipeline of a directory, or of one around it in the same repository, for whoever names none.

    The directory is ``shown`` like this in messages, without it by its path.

    Raises:
        UsageError: there is none.
    """
    here = directory or Path.cwd()
    for folder in (here, *here.parents):
        for name in _NAMES:
            if (folder / name).is_file():
                return Path(os.path.relpath(folder / name))
        if (folder / ".git").exists():
            break
    raise UsageError(f"there is no pipeline in {shown or here}: none of {', '.join(_NAMES)}", hint="name a file")


def _read(path: Path) -> bytes:
    try:
        return read(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _payload(sent: bytes, file: Path | None) -> "Payload":
    from runner.workspace.payload import read_payload  # noqa: PLC0415 - few runs have one

    return read_payload(sent, str(file or "payload"))


def _trigger(given: Given, payload: "Payload | None", local: Checkout) -> Trigger:
    event = events.full_name(_event(given, payload), nearest)
    trigger = _of_checkout(local, event, given.tag or (_local_tag(event, local) if payload is None else ""))
    if payload is not None:
        trigger = _with_payload(trigger, payload)
    trigger = replace(trigger, facts=replace(trigger.facts, event=event))
    return _with_options(trigger, given)


def _event(given: Given, payload: "Payload | None") -> str:
    return given.event or (payload.trigger.facts.event if payload else "tag" if given.tag else "push")


def _local_tag(event: str, local: Checkout) -> str:
    if event not in _OF_TAGS:
        return ""
    if not local.tags:
        raise UsageError("a tag event needs a tag, and none points to this commit", hint="for example --tag v1.0.0")
    return local.tags[0]


def _of_checkout(local: Checkout, event: str, tag: str) -> Trigger:
    """Return why a server would run what is checked out here."""
    request = _request(local, tag) if event.partition(":")[0] in _OF_REQUESTS else None
    branch = request.target if request else local.branch
    ref = _ref(tag) or (f"refs/pull/{request.number}/head" if request else f"{_HEADS}{branch}")
    return Trigger(
        facts=Facts(
            branch=branch,
            event=event,
            # As Vela has it: what is built, less `refs/tags/`; so a push does not match a rule for tags.
            tag=ref.removeprefix(_TAGS),
            repo=local.repo,
            path=() if event.startswith("comment") else local.changed,
            sender=local.author,
        ),
        ref=ref,
        commit=Commit(
            sha=local.commit, parent=local.parent, message=local.message, author=local.author, email=local.email
        ),
        repository=Repository(name=local.repo, branch=local.default_branch, clone=local.clone, link=local.link),
        pull_request=request,
    )


def _request(local: Checkout, tag: str) -> PullRequest:
    """Return the pull request of the current branch; a tag ``refs/pull/12/head`` tells its number."""
    numbered = _REQUEST.fullmatch(tag)
    number = numbered[1] if numbered else _NO_NUMBER
    return PullRequest(number=number, source=local.branch, target=local.default_branch)


def _ref(tag: str) -> str:
    return tag if not tag or tag.startswith("refs/") else f"{_TAGS}{tag}"


def _with_payload(trigger: Trigger, payload: "Payload") -> Trigger:
    """Let a payload decide all that it tells."""
    told = payload.trigger
    facts, repository = _over(trigger.facts, told.facts), _over(trigger.repository, told.repository)
    request = trigger.pull_request
    if told.pull_request is not None:
        request = _over(PullRequest(target=repository.branch), told.pull_request)
        facts = replace(facts, branch=told.facts.branch or request.target)
    return replace(
        told,
        facts=facts if payload.changed is None else replace(facts, path=payload.changed),
        # Words about one commit do not belong to another.
        commit=told.commit if told.commit.sha else _over(trigger.commit, told.commit),
        repository=repository,
        pull_request=request,
    )


def _over(weak: _Part, strong: _Part) -> _Part:
    """Return ``strong``, and of ``weak`` what that leaves empty."""
    told = {each.name: value for each in fields(strong) if (value := getattr(strong, each.name))}
    return replace(weak, **told)


def _with_options(trigger: Trigger, given: Given) -> Trigger:
    """Let options decide, also that a fact is empty."""
    facts, ref, request = trigger.facts, trigger.ref, trigger.pull_request
    if given.branch is not None:
        facts = replace(facts, branch=given.branch)
        ref = f"{_HEADS}{given.branch}" if ref.startswith(_HEADS) else ref
        request = replace(request, target=given.branch) if request else None
    ref = _ref(given.tag or "") or ref
    repo = facts.repo if given.repo is None else given.repo
    return replace(
        trigger,
        facts=replace(
            facts,
            tag=facts.tag if ref == trigger.ref else ref.removeprefix(_TAGS),
            repo=repo,
            comment=given.comment or facts.comment,
            path=facts.path if given.changed is None else given.changed,
            sender=facts.sender if given.sender is None else given.sender,
            target=given.target or facts.target,
            label=given.labels or facts.label,
            instance=given.instance or facts.instance,
        ),
        ref=ref,
        repository=replace(trigger.repository, name=repo),
        pull_request=request,
        parameters={**trigger.parameters, **given.parameters},
        environment=given.environment,
        properties=given.properties,
    )
