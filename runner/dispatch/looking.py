"""Looking at what a run has left: what its steps have printed, and the workspaces of those that failed."""

from collections.abc import Iterator

from runner.dispatch.agent import Means
from runner.dispatch.driving import Diary
from runner.dispatch.keeping import Keeping
from runner.dispatch.parts import check_part, steps_of
from runner.dispatch.printed import printed
from runner.engine.backend import Terminal
from runner.engine.look import look_around_in
from runner.engine.state import RunState
from runner.errors import UsageError
from runner.naming import SERVICES, Address
from runner.pipelinectl.saved import Saved


class Looking:
    """What has been left."""

    def __init__(self, means: Means, keeping: Keeping) -> None:
        self._means = means
        self._keeping = keeping

    def log(self, run: str, stage: str, step: str) -> Iterator[bytes]:
        """Return what steps have printed; see ``Service.log``."""
        means = self._means
        return printed(means.order(run).plan, means.journal(run).read(), means.folder(run).logs, stage, step)

    def shell(self, run: str, stage: str, step: str, terminal: Terminal) -> None:
        """Open a shell; see ``Service.shell``. Without a step it is in the place of the last one that was begun."""
        order = self._means.order(run)
        state = RunState(run, order.plan, self._means.journal(run).read())
        check_part(steps_of(state.plan), stage, step)
        if stage in ("", SERVICES):
            raise UsageError("a shell opens where a step of a stage ran", hint="name the stage")
        with self._keeping.looking(run):
            place, _ = self._means.trees.take(run, order.tree)
            look_around_in(
                order.order(place, Saved()).job(run),
                Address(run, stage, step),
                terminal,
                journal=self._means.journal(run),
                backend=self._means.backend,
                logs=Diary(self._means.folder(run), order.confidential).logs,
            )
