"""What a shell offers when somebody presses Tab behind an option; typer asks, and writes the scripts for the shells."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from runner.errors import RunnerError, UsageError

# Every command knows how its options are completed, and hardly ever does it; what that takes is imported there.
if TYPE_CHECKING:
    from runner.cli.client.daemon import Daemon
    from runner.plan.model import Plan

_PATIENCE: Final = 1.0
# Shells take what they are offered for code: zsh evaluates it, bash expands it. The names are those of whoever wrote
# the file, which may have come with a repository that nobody trusts.
_HARMLESS: Final = r"[^\W_][\w./@%+-]*"


def complete_event() -> list[str]:
    """Return the events that a run can be told of."""
    from runner.plan import events  # noqa: PLC0415 - see above

    return list(events.names())


def complete_dialect() -> list[str]:
    """Return the dialects."""
    from runner.dialects.detect import Dialect  # noqa: PLC0415 - see above

    return list(Dialect)


def complete_stage(context: typer.Context) -> list[str]:
    """Return the stages of the pipeline at hand, also of those that rules would leave out."""
    plan = _plan(context)
    return _offered((*(stage.name for stage in plan.stages), *(gone.stage for gone in plan.pruned if not gone.step)))


def complete_step(context: typer.Context, incomplete: str) -> list[str]:
    """Return the steps of the pipeline at hand, also of those that rules would leave out.

    They are named ``stage/step`` once the stage is there.
    """
    from runner.naming import ORIGINS, SERVICES  # noqa: PLC0415 - see above

    plan = _plan(context)
    kept = tuple((stage.name, step.name) for stage in plan.stages for step in stage.steps)
    gone = tuple((gone.stage, gone.step) for gone in plan.pruned if gone.step and gone.stage not in (SERVICES, ORIGINS))
    return _offered(f"{stage}/{step}" if "/" in incomplete else step for stage, step in (*kept, *gone))


def complete_run() -> list[str]:
    """Return the newest runs of the daemon; none where there is no daemon."""
    return _asked(lambda daemon: (run.id for run in daemon.runs()))


def complete_pipeline() -> list[str]:
    """Return the pipelines that the daemon knows; none where there is no daemon."""
    return _asked(lambda daemon: (pipeline.name for pipeline in daemon.pipelines()))


def complete_status() -> list[str]:
    """Return the statuses of runs."""
    from runner.plan.status import Status  # noqa: PLC0415 - see above

    return list(Status)


def _asked(question: Callable[["Daemon"], Iterable[str]]) -> list[str]:
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - see above

    try:
        return _offered(question(Daemon.here(patience=_PATIENCE)))
    except RunnerError:
        return []  # nobody reads messages while a command is typed


def _offered(names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if re.fullmatch(_HARMLESS, name)]


def _plan(context: typer.Context) -> "Plan":
    """Return the pipeline that the command line names, else that of this directory; an empty one if it has none.

    Nobody reads messages while a command is typed.
    """
    from runner.dialects.text import examine  # noqa: PLC0415 - see above
    from runner.dispatch.subject import default_file  # noqa: PLC0415 - see above
    from runner.plan.model import Plan  # noqa: PLC0415 - see above
    from runner.plan.trigger import Trigger  # noqa: PLC0415 - see above
    from runner.workspace.files import read  # noqa: PLC0415 - see above

    nothing = Plan(dialect="", stages=())
    given = context.params.get("file")
    try:
        file = Path(given) if given else default_file()
        content = read(file) if file.is_file() else b""
    except (OSError, UsageError):
        return nothing
    return examine(content, str(file), Trigger()).plan or nothing
