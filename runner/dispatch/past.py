"""The runs that ``exec`` has kept: shown, and run again from what was ordered."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from runner.dispatch.orders import StoredOrder
from runner.dispatch.printed import printed
from runner.engine.report import ChildReport, Report, report
from runner.engine.state import RunState
from runner.errors import ConflictError, InfrastructureError
from runner.naming import Address
from runner.pipelinectl.values import Store, Values, values_of
from runner.plan import codec
from runner.plan.model import Plan
from runner.plan.status import Status
from runner.store.runs import Kinship, RunFolder, RunStore


class Past:
    """One run of ``exec``, over or not."""

    def __init__(self, store: RunStore, folder: RunFolder) -> None:
        self._store = store
        self._folder = folder
        self.id = folder.id

    @classmethod
    def find(cls, state: Path, run: str) -> "Past | None":
        """Return a run of a state directory; None where it has none of this id."""
        store = RunStore(state)
        folder = store.find(run)
        return None if folder is None else cls(store, folder)

    @property
    def kinship(self) -> Kinship:
        """Which run it repeats, or which has started it."""
        return self._folder.kinship

    @property
    def over(self) -> bool:
        """Whether its process lives no more, so that it goes on no longer, whatever it had come to."""
        return self._folder.over

    @property
    def plan(self) -> Plan:
        """What it was to do.

        Raises:
            InfrastructureError: it cannot be read.
        """
        try:
            return codec.from_document(json.loads(self._folder.plan.read_bytes()))
        except (OSError, ValueError) as error:
            raise InfrastructureError(f"{self._folder.plan} cannot be read: {error}") from error

    def report(self) -> Report:
        """Return its document, with the values that were kept when it was over.

        Raises:
            InfrastructureError: it cannot be read.
        """
        state = RunState(self.id, self.plan, self._folder.journal.read())
        return report(state, self._values(), tuple(self._children()))

    def _values(self) -> Values:
        try:
            kept: Values = json.loads(self._folder.values.read_bytes())
        except FileNotFoundError:
            return values_of(Store())
        except (OSError, ValueError) as error:
            raise InfrastructureError(f"{self._folder.values} cannot be read: {error}") from error
        return kept

    def log(self, stage: str, step: str) -> Iterator[bytes]:
        """Return what its steps have printed, as ``printed``."""
        return printed(self.plan, self._folder.journal.read(), self._folder.logs, stage, step)

    def order(self) -> tuple[StoredOrder, tuple[str, ...]]:
        """Return what was ordered, without the values of secrets, and the names of these.

        Raises:
            ConflictError: it has not ended.
            InfrastructureError: it cannot be read.
        """
        if not self.over:
            raise ConflictError(f"run {self.id} has not ended", hint="`runner cancel` ends it")
        try:
            return StoredOrder.read_open(self._folder.order.read_text(encoding="utf-8", errors="surrogatepass"))
        except OSError as error:
            raise InfrastructureError(f"{self._folder.order} cannot be read: {error.strerror}") from error

    def cancel(self) -> None:
        """Have the process end that drives it, with all that it drives.

        Raises:
            ConflictError: it has ended, or its process drives the run that has started it, too.
        """
        process, parent = self._folder.process, self._store.find(self.kinship.parent)
        if self.over or process is None:
            raise ConflictError(f"run {self.id} has ended")
        if parent is not None and parent.process == process:
            raise ConflictError(
                f"run {self.id} is driven with its parent, run {parent.id}", hint="Ctrl-C there ends both"
            )
        with suppress(ProcessLookupError):  # it has ended at this moment
            os.kill(process, signal.SIGTERM)

    def _children(self) -> Iterator[ChildReport]:
        for folder in self._store.all():
            if folder.kinship.parent == self.id:
                entries = folder.journal.read()
                status = next((e.status for e in reversed(entries) if e.address == Address(folder.id)), Status.PENDING)
                child: ChildReport = {"stage": folder.kinship.child, "id": folder.id, "status": status}
                yield {**child, "origin": folder.kinship.origin} if folder.kinship.origin else child
