"""Why a script ended with exit code 2: a shell that cannot read a script names a line that its author never wrote."""

import subprocess
from collections.abc import Iterator, Sequence

from runner.dispatch.parts import is_of
from runner.engine.report import Report
from runner.plan.model import Plan, Step

_UNREADABLE = 2
_SECONDS = 5
_SHELL = "/bin/sh"


def explain(plan: Plan, document: Report) -> Iterator[str]:
    """Say which command of each step that failed cannot be read, as far as this machine's own shell can tell.

    The shell only reads (``-n``), and nothing is run. A step with a ``shell`` of its own is left out.
    """
    for stage in document["stages"]:
        for told in stage["steps"]:
            step = _step(plan, stage["name"], told["name"]) if told["exit_code"] == _UNREADABLE else None
            if step is None or step.shell or not _wrong("\n".join(step.commands)):
                continue
            for number, command, wrong in _unreadable(step.commands):
                yield f"{stage['name']}/{step.name}: command {number} cannot be read by a shell: {wrong}: {command}"


def _step(plan: Plan, stage: str, name: str) -> Step | None:
    """Return a step of a stage, or of a branch of one."""
    found = (step for each in plan.stages if is_of(stage, each.name) for step in each.steps)
    return next((step for step in found if step.name == name), None)


def _unreadable(commands: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Yield the first command that is wrong by itself; one that others complete is not."""
    for number, command in enumerate(commands, 1):
        if wrong := _wrong(command):
            yield number, command, wrong
            return


def _wrong(script: str) -> str:
    """Return what a shell says of a script; empty if it can be read, or if there is no shell to ask."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, and the script goes to its stdin
            [_SHELL, "-n"],
            input=script.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return said[0].rpartition(": ")[2] if done.returncode and said else ""
