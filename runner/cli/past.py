"""The runs of ``exec`` for the commands that speak of runs; those of a daemon are in ``cli.client``."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.options import OutputFormat
from runner.settings import Settings

if TYPE_CHECKING:
    from runner.cli.look import Look
    from runner.dispatch.past import Past


def find(run: str) -> "Past | None":
    """Return a run that ``exec`` has kept on this machine; None where it has none of this id."""
    state = Settings.read().state
    if not (state / "runs" / run).is_dir():
        return None
    from runner.dispatch.past import Past  # noqa: PLC0415 - it brings the engine, which a client does without

    return Past.find(state, run)


def rerun(
    past: "Past",
    look: "Look",
    *,
    properties: Mapping[str, str],
    secret: Iterable[str],
    secret_files: Iterable[Path],
) -> int:
    """Run it once more, here and now, on the same commits; return the exit code as ``exec`` does.

    Its secrets were not kept: they come from where ``exec`` has them.

    Raises:
        UsageError: a secret has no value.
        WorkspaceError: a repository cannot be fetched.
        RunnerError: as ``execute``.
    """
    from runner.cli.exec_options import Ends  # noqa: PLC0415 - as above
    from runner.cli.execution import execute  # noqa: PLC0415 - as above
    from runner.cli.secret_values import read_secrets  # noqa: PLC0415 - as above
    from runner.dispatch.orders import with_secrets  # noqa: PLC0415 - as above
    from runner.dispatch.trees import Trees  # noqa: PLC0415 - as above
    from runner.engine.job import Keep  # noqa: PLC0415 - as above
    from runner.pipelinectl.saved import Saved  # noqa: PLC0415 - as above

    stored, names = past.order()
    stored = with_secrets(stored, read_secrets(secret, names, secret_files))
    stored = replace(stored, inputs=replace(stored.inputs, properties={**stored.inputs.properties, **properties}))
    stored.inputs.check(stored.plan)
    if stored.tree.directory:
        look.say(f"{stored.tree.directory} is taken as it is now: the run worked on no commit of a repository")
    settings = Settings.read()
    trees = Trees.of(settings.mirrors, settings.git)
    place, exact = trees.take(past.id, stored.tree)
    try:
        order = replace(
            replace(stored, tree=exact).order(place, Saved()),
            keep=Keep.NEVER,
            saved=False,
            resumable=False,
            values=stored.plan.mapped or look.output is OutputFormat.JSON,
        )
        ends = Ends(look=look, keep=False, wait=True, ignore_children=False, shell=False, artifacts=None)
        return execute(f"run {past.id} once more", order, ends, replace(past.kinship, origin=past.id))
    finally:
        trees.give_back(past.id)
