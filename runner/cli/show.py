"""``runner show``: what a run has come to."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from runner.cli import options
from runner.cli.console import say
from runner.cli.past import find
from runner.cli.remote_options import RunId, no_events
from runner.cli.table import descent, moment, span, table
from runner.dispatch.requests import Summary
from runner.plan.status import Status

if TYPE_CHECKING:
    from runner.dispatch.past import Past
    from runner.engine.report import ChildReport, Report, StepReport


_RETURNS: Final = 20
"""How many things that a step has returned are shown."""
_LONGEST: Final = 200
"""How many characters of each are shown."""


def show_command(run: RunId, *, output: options.Output = options.OutputFormat.TEXT) -> None:
    """Show what a run has come to: its stages and steps, their times, and why.

    --output json is the document that exec --output json prints.
    """
    no_events(output, "what a run has come to")
    if (past := find(run)) is not None:
        document = past.report()
        told = (
            json.dumps(document, indent=2)
            if output is options.OutputFormat.JSON
            else "\n".join((*_past_head(past, document), *_stages(document)))
        )
        say(told)
        return
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it

    daemon = Daemon.here()
    wanted = daemon.named(run)
    document = daemon.report(wanted)
    if output is options.OutputFormat.JSON:
        say(json.dumps(document, indent=2))
        return
    say("\n".join((*_head(daemon.summary(wanted), document), *_stages(document))))


def _past_head(past: "Past", document: "Report") -> Iterator[str]:
    yield _outcome(past.id, document["run"]["status"], document["run"]["reason"], document)
    kin = past.kinship
    facts = (
        descent(kin.child, kin.parent),
        kin.origin and f"a rerun of {kin.origin}",
        "run by exec",
        _rest_of(past.over, Status(document["run"]["status"])),
    )
    yield ", ".join(fact for fact in facts if fact)


def _rest_of(over: bool, status: Status) -> str:  # noqa: FBT001 - one of two facts
    """Say why a run of exec that has not ended goes on no more; empty where it does, or has ended."""
    if status is Status.PAUSED:
        return "which keeps nothing to go on with: it cannot be resumed, but rerun"
    return "whose process is gone: it goes on no more" if over and not status.ended else ""


def _outcome(run: str, status: str, reason: str, document: "Report") -> str:
    seconds = document["run"]["seconds"]
    return f"run {run}: {status}{f' in {span(seconds)}' if seconds else ''}" + (f": {reason}" if reason else "")


def _head(summary: Summary, document: "Report") -> Iterator[str]:
    yield _outcome(summary.id, summary.status, summary.reason, document)
    facts = (
        descent(summary.child, summary.parent),
        summary.pipeline and f"pipeline {summary.pipeline}",
        f"queue {summary.queue}",
        f"submitted {moment(summary.created)}",
        summary.origin and f"a rerun of {summary.origin}",
        summary.kept_until and f"its workspaces are kept until {moment(summary.kept_until)}",
        summary.status == Status.PAUSED and f"`runner resume {summary.id}` has it go on",
    )
    yield ", ".join(fact for fact in facts if fact)


def _stages(document: "Report") -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for stage in document["stages"]:
        rows.append((stage["name"], stage["status"], "", stage["reason"]))
        rows += (row for step in stage["steps"] for row in (_step(step), *_returned(step)))
    rows += map(_child, document["children"])
    if rows:
        yield table(rows)


def _child(child: "ChildReport") -> tuple[str, ...]:
    again = f"a rerun of {origin}, " if (origin := child.get("origin")) else ""
    return f"async stage {child['stage']}", child["status"], "", f"{again}runner show {child['id']}"


def _returned(step: "StepReport") -> Iterator[tuple[str, ...]]:
    """Yield a row for each thing that a step has returned: the first of them, and each cut to what a line holds."""
    if (told := step.get("returns")) is None:
        return
    primary = {} if told["primary"] is None else {"primary": told["primary"]}
    named = {f"named {name}": value for name, value in told["named"].items()}
    shared = {f"global {name}": value for name, value in told["globals"].items()}
    links = {f"link {name}": value for name, value in told["links"].items()}
    found = {**primary, **named, **shared, **links}
    for name, value in islice(found.items(), _RETURNS):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"    {name}", "", "", text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    if len(found) > _RETURNS:
        yield f"    and {len(found) - _RETURNS} more", "", "", "--output json has them"


def _step(step: "StepReport") -> tuple[str, ...]:
    code, seconds = step["exit_code"], step["seconds"]
    notes = (
        f"exit code {code}" if code else "",
        f"attempt {step['attempt']}" if step["attempt"] > 1 else "",
        step["reason"],
    )
    return f"  {step['name']}", step["status"], span(seconds) if seconds else "", ", ".join(n for n in notes if n)
