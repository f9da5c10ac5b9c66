"""Where ``exec`` keeps its runs: a folder each, the newest fifty.

::

    <state>/runs/<id>/plan.json      the plan
    <state>/runs/<id>/journal.jsonl  what was intended and what happened
    <state>/runs/<id>/logs/          a log and its index for each attempt
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from runner.errors import InfrastructureError
from runner.plan import codec
from runner.plan.model import Plan
from runner.store.jsonl import JsonLines

KEPT = 50


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.path.name

    @property
    def logs(self) -> Path:
        """The directory of its logs."""
        return self.path / "logs"

    @property
    def journal(self) -> JsonLines:
        """Its journal."""
        return JsonLines(self.path / "journal.jsonl")


class RunStore:
    """The folders of all runs that are kept."""

    def __init__(self, state: Path) -> None:
        self._runs = state / "runs"

    def create(self, run: str, plan: Plan) -> RunFolder:
        """Make the folder of a new run, and forget the oldest beyond ``KEPT``.

        Raises:
            InfrastructureError: it cannot be written.
        """
        folder = RunFolder(self._runs / run)
        try:
            folder.logs.mkdir(parents=True, mode=0o700)
            (folder.path / "plan.json").write_text(codec.dumps(plan), encoding="utf-8")
            self._forget()
        except OSError as error:
            raise InfrastructureError(
                f"cannot keep the run in {folder.path}: {error.strerror}", hint="RUNNER_STATE_DIR names another place"
            ) from error
        return folder

    def _forget(self) -> None:
        folders = sorted(self._runs.iterdir(), key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
        for folder in folders[KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)  # another process may be removing it, too
