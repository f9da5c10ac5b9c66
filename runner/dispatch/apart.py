"""The async stages of an ``exec`` that does not wait for them: each in a process of its own, which outlives it.

Such a process (``dispatch.detached``) is given its order through a pipe, so that nobody sees a secret, and says when it
has kept it.
"""

import json
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import IO, Final

from runner.dispatch.family import ChildrenOf
from runner.dispatch.orders import StoredOrder
from runner.dispatch.past import Past
from runner.engine.children import Child
from runner.engine.job import Keep, Task
from runner.engine.report import ChildReport
from runner.errors import UsageError
from runner.plan.status import Status
from runner.store.runs import RunStore

KEPT: Final = "kept"
"""What such a process says when its run is in the store; anything else is why it cannot begin."""

# Without -P whatever lies in the working directory, which may be anybody's checkout, could be imported.
_MAIN: Final = ("-P", "-m", "runner.dispatch.detached")
_SECONDS: Final = 60.0
"""How long it may take to begin."""


class Detached:
    """All async stages that one run has started; implements ``family.Adopting``."""

    def __init__(self, store: RunStore, keep: Keep) -> None:
        self._store = store
        self._keep = keep
        self._children: dict[Child, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []  # one that is forgotten while it goes on is warned of
        self._lock = threading.Lock()

    def of(self, run: str, order: StoredOrder) -> ChildrenOf:
        """Return what starts the async stages of a run with this order."""
        return ChildrenOf(self, run, order)

    def adopt(self, run: str, child: Child, order: StoredOrder) -> bool:
        """Start one, unless there is one of its id already; return whether it is new.

        Raises:
            UsageError: its process cannot begin; it counts as one that has ended in an error.
        """
        message = {"parent": run, "run": child.id, "stage": child.stage, "keep": self._keep}
        message |= {"ordered": order.document(), "hidden": order.hidden()}
        with self._lock:
            if child in self._children:
                return False
            answer = self._children[child] = self._begin(json.dumps(message).encode())
        if answer != KEPT:
            raise UsageError(f"async stage {child.stage}: {answer}")
        return True

    def of_run(self, run: str) -> Sequence[ChildReport]:  # noqa: ARG002 - there is one run that starts some here
        """Return those that a run has started, and how they stand now."""
        return self.reports()

    def reports(self) -> list[ChildReport]:
        """Return how they stand now."""
        with self._lock:
            children = dict(self._children)
        return [
            {
                "stage": child.stage,
                "id": child.id,
                "status": self._status(child.id) if answer == KEPT else Status.ERROR,
            }
            for child, answer in children.items()
        ]

    def cancel(self, *, force: bool = False) -> None:
        """Let them go on: ``runner cancel`` ends each."""

    def wait(self) -> None:
        """Do not wait for them."""

    def _status(self, run: str) -> str:
        folder = self._store.find(run)
        return Past(self._store, folder).report()["run"]["status"] if folder else Status.PENDING

    def _begin(self, message: bytes) -> str:
        """Start a process with a message, and return what it answers."""
        try:
            process = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, *_MAIN],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # neither Ctrl-C nor the end of this terminal is meant for it
            )
        except OSError as error:
            return f"no process can be started: {error.strerror}"
        self._processes.append(process)
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a process was asked for pipes and has none")
        Task("order of an async stage", partial(_send, process.stdin, message))  # a process may never read it
        with process.stdout as answers:
            ready, _, _ = select.select([answers], [], [], _SECONDS)
            if not ready:
                process.kill()  # it counts as one that has failed: it must not begin after all
                return f"its process has not answered within {_SECONDS:g} s"
            answer = answers.read().decode("utf-8", "replace")
        return answer or "its process has ended before it began"


def _send(pipe: IO[bytes], message: bytes) -> None:
    with suppress(BrokenPipeError), pipe:  # whoever does not listen gives no answer either, which is told
        pipe.write(message)
