"""Looking at what a run has left: what its steps have printed, and the workspaces of those that failed."""

from collections.abc import Iterator

from runner import naming
from runner.dispatch.agent import Means
from runner.dispatch.driving import Diary
from runner.dispatch.keeping import Keeping
from runner.dispatch.parts import check_part
from runner.engine.backend import Terminal
from runner.engine.look import look_around_in
from runner.errors import UsageError
from runner.logs.download import prefixed, text_of
from runner.naming import SERVICES, Address
from runner.pipelinectl.saved import Saved


class Looking:
    """What has been left."""

    def __init__(self, means: Means, keeping: Keeping) -> None:
        self._means = means
        self._keeping = keeping

    def log(self, run: str, stage: str, step: str) -> Iterator[bytes]:
        """Return what steps have printed; see ``Service.log``."""
        check_part(self._means.order(run).plan, stage, step)
        entries = self._means.journal(run).read()
        begun = dict.fromkeys(entry.address for entry in entries if entry.address.step)
        wanted = [a for a in begun if stage in ("", a.stage) and step in ("", a.step)]
        directory = self._means.folder(run).logs
        paths = [(address.path, directory / naming.file_name(naming.log(address))) for address in wanted]
        return (piece for _, path in paths for piece in text_of(path)) if step else prefixed(paths)

    def shell(self, run: str, stage: str, step: str, terminal: Terminal) -> None:
        """Open a shell; see ``Service.shell``. Without a step it is in the place of the last one that was begun."""
        order = self._means.order(run)
        check_part(order.plan, stage, step)
        if stage in ("", SERVICES):
            raise UsageError("a shell opens where a step of a stage ran", hint="name the stage")
        with self._keeping.looking(run):
            source = self._means.trees.take(run, order.tree)
            look_around_in(
                order.order(source, Saved()).job(run),
                Address(run, stage, step),
                terminal,
                journal=self._means.journal(run),
                backend=self._means.backend,
                logs=Diary(self._means.folder(run), order.confidential).logs,
            )
