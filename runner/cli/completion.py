"""What a shell offers when somebody presses Tab behind an option; typer asks, and writes the scripts for the shells."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import typer

from runner.cli.files import read
from runner.cli.trigger import default_file
from runner.errors import UsageError
from runner.naming import ORIGINS, SERVICES
from runner.plan import events
from runner.plan.model import Plan
from runner.plan.trigger import Trigger

# Shells take what they are offered for code: zsh evaluates it, bash expands it. The names are those of whoever wrote
# the file, which may have come with a repository that nobody trusts.
_HARMLESS: Final = re.compile(r"[^\W_][\w./@%+-]*")


def complete_event() -> list[str]:
    """Return the events that a run can be told of."""
    return list(events.names())


def complete_dialect() -> list[str]:
    """Return the dialects."""
    from runner.dialects.detect import Dialect  # noqa: PLC0415 - options are offered sooner without it

    return list(Dialect)


def complete_stage(context: typer.Context) -> list[str]:
    """Return the stages of the pipeline at hand, also of those that rules would leave out."""
    plan = _plan(context)
    return _offered((*(stage.name for stage in plan.stages), *(gone.stage for gone in plan.pruned if not gone.step)))


def complete_step(context: typer.Context, incomplete: str) -> list[str]:
    """Return the steps of the pipeline at hand, also of those that rules would leave out.

    They are named ``stage/step`` once the stage is there.
    """
    plan = _plan(context)
    kept = tuple((stage.name, step.name) for stage in plan.stages for step in stage.steps)
    gone = tuple((gone.stage, gone.step) for gone in plan.pruned if gone.step and gone.stage not in (SERVICES, ORIGINS))
    return _offered(f"{stage}/{step}" if "/" in incomplete else step for stage, step in (*kept, *gone))


def _offered(names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if _HARMLESS.fullmatch(name)]


def _plan(context: typer.Context) -> Plan:
    """Return the pipeline that the command line names, else that of this directory; an empty one if it has none.

    Nobody reads messages while a command is typed.
    """
    from runner.dialects.text import examine  # noqa: PLC0415 - as above

    nothing = Plan(dialect="", stages=())
    given = context.params.get("file")
    try:
        file = Path(given) if given else default_file()
        content = read(file) if file.is_file() else b""
    except (OSError, UsageError):
        return nothing
    return examine(content, str(file), Trigger()).plan or nothing
