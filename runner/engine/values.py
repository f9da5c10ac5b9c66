"""The values of one run as its driver sees them: it leaves the results of stages, and reads all of them at the end."""

from collections.abc import Callable
from typing import Final

from runner.engine.backend import Backend, Wanted
from runner.engine.events import Event, Notice
from runner.errors import InfrastructureError
from runner.naming import ORIGINS
from runner.pipelinectl import layout
from runner.pipelinectl.layout import Kind
from runner.pipelinectl.values import Store
from runner.plan.status import Status

_FAILED: Final = (Status.FAILURE, Status.ERROR, Status.TIMEOUT, Status.LOST)
_WORDS: Final = {Status.SUCCESS: "success", Status.SKIPPED: "skipped", **dict.fromkeys(_FAILED, "failure")}
_RESULT: Final = "result"
_A_STAGE_FAILED: Final = {layout.file_name(Kind.KNOWN, "one-pipeline-status"): layout.text("1")}


class Values:
    """For the threads of all stages of a run. What cannot be written or read is told, and changes no status."""

    def __init__(self, backend: Backend, run: str, tell: Callable[[Event], None]) -> None:
        self._backend = backend
        self._run = run
        self._tell = tell

    def stage_ended(self, stage: str, status: Status) -> None:
        """Let later steps see how a stage has ended, in the words of IBM's stage results.

        ``get_data result STAGE`` and, where it has failed, ``get_env one-pipeline-status`` (pages "Using the Stage
        Results API", "CI pipeline"). A stage that was cancelled has no result.
        """
        word = _WORDS.get(status)
        if word is None or stage == ORIGINS:
            return
        files = {layout.file_name(Kind.DATA, _RESULT, stage): layout.text(word)}
        if status in _FAILED:
            files |= _A_STAGE_FAILED
        try:
            self._backend.put_values(self._run, files)
        except InfrastructureError as error:
            self._tell(Notice(f"steps will not see how stage {stage} has ended: {error.explained}"))

    def read(self, wanted: Wanted) -> Store:
        """Return what the steps have left; nothing if it cannot be read, or is not wanted any more."""
        try:
            return self._backend.values(self._run, wanted=wanted)
        except InfrastructureError as error:
            self._tell(Notice(f"the values of the run could not be read: {error.explained}"))
            return Store()
