"""``runner doctor``: is this machine fit to run pipelines?"""

import json
from collections.abc import Iterator
from dataclasses import asdict

import typer

from runner.backends.docker.diagnosis.check import Check, Verdict
from runner.cli import options
from runner.cli.console import say
from runner.errors import ExitCode, UsageError
from runner.settings import Settings

_SHOWN = {Verdict.OK: "ok  ", Verdict.NOTE: "note", Verdict.BAD: "BAD "}


def doctor_command(*, output: options.Output = options.OutputFormat.TEXT) -> None:
    """Look at this machine and its engine, and say what is missing or weak, and what to do about it.

    `note` is a weakness or a slower way; with `BAD` a run would fail, and the exit code is 3.
    """
    if output is options.OutputFormat.EVENTS:
        raise UsageError("nothing happens while a machine is looked at, so there are no events", hint="--output json")
    from runner.cli.fitness import look  # noqa: PLC0415 - --help and completion do without the docker SDK

    found = []
    for check in look(Settings.read()):
        found.append(check)
        if output is options.OutputFormat.TEXT:
            say("\n".join(_lines(check)))
    if output is options.OutputFormat.JSON:
        say(json.dumps({"checks": [asdict(check) for check in found]}, indent=2))
    if any(check.verdict is Verdict.BAD for check in found):
        raise typer.Exit(ExitCode.INFRASTRUCTURE)


def _lines(check: Check) -> Iterator[str]:
    yield f"{_SHOWN[check.verdict]} {check.name}: {check.found}"
    if check.advice:
        yield f"     {check.advice}"
