"""What ``runner doctor`` looks at: this machine, and the engine that its environment names."""

import platform
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from runner import __version__
from runner.backends.docker.client import Engine
from runner.backends.docker.diagnosis.check import Check, Verdict, bad, note, ok
from runner.backends.docker.diagnosis.checks import HurriedEngine, Subject, diagnose
from runner.backends.docker.diagnosis.disks import room
from runner.backends.docker.diagnosis.logins import context, logins
from runner.backends.docker.sweep import Sweep
from runner.errors import InfrastructureError, UsageError
from runner.naming import Instance
from runner.settings import Settings
from runner.store import instances
from runner.workspace.local import checkout


def look(settings: Settings) -> Iterator[Check]:
    """Look at one thing after the other; yield what comes of each as soon as it is known.

    Raises:
        UsageError: there is no directory here any more.
    """
    source = _here()
    with ExitStack() as stack:
        yield ok("runner", f"{__version__}, with Python {platform.python_version()}")
        yield _git(source)
        try:
            instance: Instance | None = stack.enter_context(instances.live(settings.state, instances.KIND_EXEC))
        except InfrastructureError as error:
            instance = None
            yield bad("state", error.message, error.hint)
        yield room("state's disk", settings.state, "journals and logs of runs need room; RUNNER_STATE_DIR moves them")
        yield from context()
        yield from logins()
        try:
            engine = HurriedEngine()
        except InfrastructureError as error:
            yield bad("engine", error.message, error.hint)
            return
        answers = True
        for check in diagnose(Subject(engine=engine, settings=settings.docker, source=source, instance=instance)):
            answers = answers and (check.name, check.verdict) != ("engine", Verdict.BAD)
            yield check
        if answers and instance is not None:
            yield _leftovers(engine, instance)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"this directory cannot be looked at: {error.strerror}", hint="change to another") from error


def _git(directory: Path) -> Check:
    try:
        import git  # noqa: PLC0415 - it cannot be imported where there is no git command
    except ImportError:
        return note(
            "git", "there is no git command", "branch, commit and changed files of a run stay empty: install git"
        )
    version = ".".join(map(str, git.Git().version_info))
    try:
        local = checkout(directory)
    except UsageError as error:
        return bad("git", f"{version}: {error.message}", error.hint or "what git says about it has to be mended first")
    if not local.branch and not local.commit:
        advice = "branch, commit and changed files of a run here stay empty, unless options give them"
        return note("git", f"{version}: {directory} is in no repository", advice)
    where = local.branch or f"commit {local.commit[:8]}"
    return ok("git", f"{version}: {local.root} is a repository, at {where}")


def _leftovers(engine: Engine, instance: Instance) -> Check:
    try:
        found = Sweep(engine).of_process_like(instance)
    except InfrastructureError as error:
        return note("leftovers", error.message, error.hint or "`runner clean` tries again")
    dead = {lock for lock in {remnant.lock for remnant in found} if instances.dead(lock)}
    kept = sum(remnant.kind == "volume" and remnant.lock in dead and instances.keeps(remnant.lock) for remnant in found)
    counts = Counter(r.kind for r in found if r.lock in dead)
    if not counts:
        return ok("leftovers", "no dead run has left anything")
    parts = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(counts.items()))
    on_purpose = f" ({kept} kept on purpose)" if kept else ""
    return note("leftovers", f"{parts} of dead runs{on_purpose}", "`runner clean` removes them")
