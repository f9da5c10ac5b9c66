"""``runner show``: what a run has come to."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

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
        past.over and not Status(document["run"]["status"]).ended and "whose process is gone: it goes on no more",
    )
    yield ", ".join(fact for fact in facts if fact)


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
    )
    yield ", ".join(fact for fact in facts if fact)


def _stages(document: "Report") -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for stage in document["stages"]:
        rows.append((stage["name"], stage["status"], "", stage["reason"]))
        rows += [_step(step) for step in stage["steps"]]
    rows += map(_child, document["children"])
    if rows:
        yield table(rows)


def _child(child: "ChildReport") -> tuple[str, ...]:
    again = f"a rerun of {origin}, " if (origin := child.get("origin")) else ""
    return f"async stage {child['stage']}", child["status"], "", f"{again}runner show {child['id']}"


def _step(step: "StepReport") -> tuple[str, ...]:
    code, seconds = step["exit_code"], step["seconds"]
    notes = (
        f"exit code {code}" if code else "",
        f"attempt {step['attempt']}" if step["attempt"] > 1 else "",
        step["reason"],
    )
    return f"  {step['name']}", step["status"], span(seconds) if seconds else "", ", ".join(n for n in notes if n)
