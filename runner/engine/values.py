"""The values of one run as its driver sees them.

It leaves the results of stages, saves what there is when a stage begins, and reads all of it at the end.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from runner.engine.backend import Backend, Wanted
from runner.engine.events import Event, Notice
from runner.engine.outputs import unmasked
from runner.errors import InfrastructureError
from runner.naming import ORIGINS, Address
from runner.pipelinectl import layout
from runner.pipelinectl.layout import Kind
from runner.pipelinectl.saved import Saved, Saves
from runner.pipelinectl.values import Store
from runner.plan.status import Status

_FAILED: Final = (Status.FAILURE, Status.ERROR, Status.TIMEOUT, Status.LOST)
_WORDS: Final = {Status.SUCCESS: "success", Status.SKIPPED: "skipped", **dict.fromkeys(_FAILED, "failure")}
_RESULT: Final = "result"
_A_STAGE_FAILED: Final = {layout.file_name(Kind.KNOWN, "one-pipeline-status"): layout.text("1")}


MOST_SAVED: Final = 1 << 30
"""How many bytes of files (``save_file``, ``save_result``) are saved at the start of a stage."""


class Values:
    """For the threads of all stages of a run. What cannot be written or read is told, and changes no status.

    ``saves`` is where they are saved, if they are; ``outputs`` says whether the run has such.
    """

    def __init__(
        self,
        backend: Backend,
        run: str,
        tell: Callable[[Event], None],
        *,
        saves: Saves | None = None,
        outputs: bool = False,
    ) -> None:
        self._backend = backend
        self._run = run
        self._tell = tell
        self._saves = saves
        self._outputs = outputs

    def save(self, stage: Address) -> None:
        """Save what there is at the start of a round of a stage, which is open, and no step of which has begun.

        What an earlier life has saved stays. What cannot be saved is noted there, so that a rerun can say why not.
        """
        saves = self._saves
        if saves is None or saves.has(stage):
            return
        try:
            self._save(saves, stage)
        except InfrastructureError as error:
            self._tell(Notice(f"no rerun can begin at stage {stage.stage}: {error.explained}"))
            with suppress(InfrastructureError):  # then there is nothing, which says it, too
                saves.refuse(stage, error.message)

    def _save(self, saves: Saves, stage: Address) -> None:
        store = self._backend.values(self._run, wanted=_always)
        left = unmasked(self._backend.outputs(stage)) if self._outputs else {}
        save = partial(self._backend.save_files, self._run, most=MOST_SAVED, wanted=_always)
        returned = self._backend.returns(self._run)
        saves.write(stage, Saved(values=store.contents, left=left, returned=returned), save if store.sizes else None)

    def stage_ended(self, stage: str, status: Status, *, forgave: bool = False) -> None:
        """Let later steps see how a stage has ended, in the words of IBM's stage results.

        ``get_data result STAGE`` and, where it has failed, ``get_env one-pipeline-status`` (pages "Using the Stage
        Results API", "CI pipeline"); the latter also where it ``forgave`` a step that has failed. A stage that was
        cancelled has no result.
        """
        word = _WORDS.get(status)
        if word is None or stage == ORIGINS:
            return
        files = {_result(stage): layout.text(word)}
        if status in _FAILED or forgave:
            files |= _A_STAGE_FAILED
        try:
            self._backend.put_values(self._run, files)
        except InfrastructureError as error:
            self._tell(Notice(f"steps will not see how stage {stage} has ended: {error.explained}"))

    def read(self, wanted: Wanted, *, done: bool = False, last: bool = True) -> Store:
        """Return what the steps have left; nothing if it cannot be read, or is not wanted any more.

        It is saved before it is returned, if nothing more will come (``last``). Where an earlier life has ``done`` all
        that there was to do, what that one has saved counts: it may have begun to remove the rest.
        """
        try:
            saved = self._saves.read_end(Address(self._run)) if self._saves and done else None
            store = saved or self._read(wanted)
        except InfrastructureError as error:
            self._tell(Notice(f"the values of the run could not be read: {error.explained}"))
            return Store()
        if self._saves is not None and saved is None and last:
            try:
                self._saves.write_end(Address(self._run), store)
            except InfrastructureError as error:
                self._tell(Notice(f"the values of the run could not be saved: {error.explained}"))
        return store

    def _read(self, wanted: Wanted) -> Store:
        store = self._backend.values(self._run, wanted=wanted)
        return replace(store, returned=self._backend.returns(self._run))


def restarted(values: Mapping[str, bytes], taken: Mapping[str, Status], again: Iterable[str]) -> dict[str, bytes]:
    """Return the files of a store as a rerun begins with them.

    Of the stages that it has ``taken`` over the results are there, of those that it runs ``again`` none is.
    """
    unknown = {*map(_result, again), *_A_STAGE_FAILED}
    known = {_result(stage): layout.text(_WORDS[status]) for stage, status in taken.items() if status in _WORDS}
    return {**{name: data for name, data in values.items() if name not in unknown}, **known}


def _result(stage: str) -> str:
    return layout.file_name(Kind.DATA, _RESULT, stage)


def _always() -> bool:
    return True
