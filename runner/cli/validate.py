"""``runner validate``: everything that is wrong in pipelines, without running them."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from runner.cli import options
from runner.cli.console import say
from runner.dispatch.subject import default_file
from runner.errors import ExitCode, Finding, Place, Severity, UsageError
from runner.records import record
from runner.workspace.files import read, read_all

_STDIN = Path("-")
_STDIN_NAME = "<stdin>"


@record
class Checked:
    """A file, and everything that is wrong in it."""

    file: str
    findings: tuple[Finding, ...]

    @property
    def valid(self) -> bool:
        """Whether nothing in it is an error."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    @property
    def lines(self) -> tuple[str, ...]:
        """What people are told: each finding as ``file:line:column: message (hint)``, or that it is valid."""
        told = tuple(str(finding) for finding in self.findings)
        return (*told, f"{self.file}: valid") if self.valid else told


def validate_command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Pipelines, - for stdin; else the one that exec would take."),
    ] = None,
    *,
    dialect: options.DialectName = "",
    strict: options.Strict = False,
    output: options.Output = options.OutputFormat.TEXT,
) -> None:
    """Say everything that is wrong in pipelines.

    Nothing is started. The exit code is 2 if one of them has an error.
    """
    if output is options.OutputFormat.EVENTS:
        raise UsageError("nothing happens while a pipeline is looked at, so there are no events", hint="--output json")
    results: list[Checked] = []
    for file in files or [default_file()]:
        results.append(check_file(file, dialect=dialect, strict=strict))
        if output is options.OutputFormat.TEXT:
            say("\n".join(results[-1].lines))
    if output is options.OutputFormat.JSON:
        say(json.dumps({"files": [_document(result) for result in results]}, indent=2))
    if not all(result.valid for result in results):
        raise typer.Exit(ExitCode.INVALID)


def check_file(file: Path, *, dialect: str = "", strict: bool = False) -> Checked:
    """Read and check a file; ``-`` is stdin. One that cannot be read has that as its only finding."""
    name = _STDIN_NAME if file == _STDIN else str(file)
    try:
        content = read_all(sys.stdin.buffer) if file == _STDIN else read(file)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        return Checked(file=name, findings=(Finding(place=Place(file=name), message=message),))
    return check(content, name, dialect=dialect, strict=strict)


def check(content: bytes, name: str, *, dialect: str = "", strict: bool = False) -> Checked:
    """Check the text of a pipeline; ``name`` is that of its file. With ``strict`` every finding is an error.

    Raises:
        UsageError: there is no such dialect.
    """
    from runner.dialects.text import examine  # noqa: PLC0415 - --help and completion do without it

    findings = examine(content, name, None, dialect=dialect).findings
    if strict:
        findings = tuple(replace(finding, severity=Severity.ERROR) for finding in findings)
    return Checked(file=name, findings=findings)


def _document(checked: Checked) -> dict[str, object]:
    return {
        "file": checked.file,
        "valid": checked.valid,
        "findings": [
            {
                "line": finding.place.line,
                "column": finding.place.column,
                "severity": finding.severity,
                "message": finding.message,
                "hint": finding.hint,
            }
            for finding in checked.findings
        ],
    }
