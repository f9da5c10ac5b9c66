"""What a person wants to run, as a daemon is asked for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.cli import options
from runner.dispatch.requests import Facts, Inline, Repository
from runner.dispatch.subject import Given, Subject, find_subject
from runner.errors import UsageError
from runner.records import record
from runner.workspace.files import read

if TYPE_CHECKING:
    from runner.cli.client.endpoint import Endpoint
    from runner.cli.look import Look

_SUFFIXES: Final = (".yml", ".yaml", ".json")


@record
class Origin:
    """Where the sources of a run come from: a repository elsewhere at ``url``, and what is wanted of it."""

    url: str
    commit: str
    submodules: bool


def origin(
    *,
    repo_url: options.RepositoryUrl = "",
    commit: options.CommitHash = "",
    submodules: options.Submodules = False,
) -> Origin:
    """Return what the options say.

    Raises:
        UsageError: they do not go together.
    """
    if submodules and not repo_url:
        raise UsageError("--submodules goes with --repo-url only", hint="a registered pipeline has its own way")
    return Origin(url=repo_url, commit=commit, submodules=submodules)


def names_a_file(text: str | None) -> bool:
    """Whether an argument is a file, or looks like one; else it is the name of a registered pipeline."""
    return text is None or Path(text).is_file() or text.endswith(_SUFFIXES)


def facts_of(given: Given, commit: str) -> Facts:
    """Return what was said of a run of a registered pipeline.

    Raises:
        UsageError: the payload cannot be read.
    """
    return Facts(
        event=given.event,
        branch=given.branch,
        tag=given.tag,
        commit=commit,
        target=given.target,
        comment=given.comment,
        sender=given.sender,
        repo=given.repo,
        changed=given.changed,
        labels=given.labels,
        instance=given.instance,
        parameters=given.parameters,
        environment=given.environment,
        payload=_text(given.event_file) if given.event_file else "",
    )


@contextmanager
def subject_of(file: Path | None, given: Given, wanted: Origin, look: "Look") -> Iterator[Subject]:
    """Have a pipeline, and the directory or the clone that it is in, until the end of the block.

    Raises:
        UsageError: there is none, or facts do not fit together.
        WorkspaceError: its repository cannot be fetched.
    """
    if not wanted.url:
        if wanted.commit:
            raise UsageError("--commit goes with --repo-url, or a registered pipeline", hint="a file is taken as it is")
        yield find_subject(file, given)
        return
    from runner.cli.clone import fetched  # noqa: PLC0415 - most runs do without
    from runner.dispatch.repositories import pipeline_in, spec_of  # noqa: PLC0415 - as above

    tag, branch = given.tag or "", given.branch or ""
    spec = spec_of(wanted.url, commit=wanted.commit, tag=tag, branch=branch, submodules=wanted.submodules)
    with fetched(spec, look) as clone:
        yield find_subject(pipeline_in(clone, file), given, clone)


def inline(subject: Subject, wanted: Origin, endpoint: "Endpoint") -> Inline:
    """Return a pipeline with its text; steps work on its repository at its commit, else on its directory.

    Raises:
        UsageError: the daemon does not see the directory, or the file is no text.
    """
    if not (wanted.url or endpoint.local):
        raise UsageError(
            f"the daemon at {endpoint} does not see the files of this machine",
            hint="--repo-url names a repository that both reach; or register the pipeline",
        )
    checkout = subject.checkout
    repository = Repository(url=wanted.url, commit=checkout.commit, submodules=wanted.submodules)
    return Inline(
        text=_decoded(subject.content, subject.file),
        file=subject.path,
        repository=repository if wanted.url else None,
        directory="" if wanted.url else str(checkout.root.resolve()),
        trigger=subject.trigger,
        payload=_decoded(subject.payload, "the payload"),
    )


def _text(file: Path) -> str:
    try:
        return _decoded(read(file), file)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def _decoded(content: bytes, what: Path | str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{what}: this is not UTF-8", hint="save the file as UTF-8") from error
