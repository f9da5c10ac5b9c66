"""Which file a command is about, and the facts of its run: given by options, else by the local git."""

from dataclasses import dataclass, replace
from pathlib import Path

from runner.errors import UsageError
from runner.plan.model import Facts
from runner.workspace.local import Checkout, checkout

_NAMES = (".vela.yml", ".vela.yaml", ".pipeline-config.yaml", "pipeline.yml")
_DEFAULT_ACTIONS = {"pull_request": "opened", "comment": "created", "deployment": "created"}


@dataclass(frozen=True, kw_only=True)
class Given:
    """The facts that options give; None or empty where the local git decides."""

    event: str = ""
    branch: str | None = None
    tag: str | None = None
    target: str = ""
    comment: str = ""
    sender: str | None = None
    repo: str | None = None
    changed: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    instance: str = ""


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A file to run or compile, and why."""

    file: Path
    content: bytes
    checkout: Checkout
    facts: Facts

    def describe(self) -> str:
        """Return the facts in one line."""
        facts, local = self.facts, self.checkout
        what = f"tag {facts.tag}" if facts.event == "tag" else facts.branch and f"branch {facts.branch}"
        commit = f"{local.commit[:8]} {local.message.splitlines()[0]!r}" if local.commit and local.message else ""
        changed = f"{len(facts.path)} changed path{'' if len(facts.path) == 1 else 's'}"
        parts = (f"event {facts.event}", what, commit, facts.sender and f"by {facts.sender}", facts.repo, changed)
        return f"{self.file}: " + ", ".join(part for part in parts if part)


def find_trigger(file: Path | None, given: Given) -> Trigger:
    """Read the file and the facts.

    Raises:
        UsageError: there is no such file, it cannot be read, or the facts do not fit together.
    """
    path = file or _found()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    local = checkout(path.absolute().parent)
    return Trigger(file=path, content=content, checkout=local, facts=_facts(given, local))


def _found() -> Path:
    for name in _NAMES:
        if Path(name).is_file():
            return Path(name)
    raise UsageError(f"there is no pipeline here: none of {', '.join(_NAMES)}", hint="name a file")


def _facts(given: Given, local: Checkout) -> Facts:
    event = given.event or ("tag" if given.tag else "push")
    if event == "tag" and not given.tag:
        raise UsageError("a tag event needs a tag", hint="for example --tag v1.0.0")
    branch = local.branch if given.branch is None else given.branch
    facts = Facts(
        branch=branch,
        event=f"{event}:{_DEFAULT_ACTIONS[event]}" if event in _DEFAULT_ACTIONS else event,
        # As Vela has it: what is built, less `refs/tags/`; so a push does not match a rule for tags.
        tag=given.tag or f"refs/heads/{branch}",
        repo=local.repo if given.repo is None else given.repo,
        comment=given.comment,
        path=local.changed if given.changed is None else given.changed,
        sender=local.author if given.sender is None else given.sender,
        target=given.target,
        label=given.labels,
        instance=given.instance,
    )
    return replace(facts, path=()) if event == "comment" and given.changed is None else facts
