"""Where ``exec`` keeps its runs: a folder each, the newest fifty.

::

    <state>/runs/<id>/owner          a link to the lock of the process that drives it
    <state>/runs/<id>/plan.json      the plan
    <state>/runs/<id>/journal.jsonl  what was intended and what happened
    <state>/runs/<id>/logs/          a log and its index for each attempt
    <state>/runs/<id>/artifacts/     the files that its steps were to leave, in a folder for each stage

A daemon has the last two below its data directory, and beside them::

    <data>/runs/<id>/saved/          its values as they were when its stages began
    <data>/runs/<id>/learned         the secrets that its steps have told, sealed
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.errors import InfrastructureError
from runner.naming import Instance
from runner.plan import codec
from runner.plan.model import Plan
from runner.store import instances
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
    def owner(self) -> Path:
        """A link to the lock of the instance that drives it."""
        return self.path / "owner"

    @property
    def over(self) -> bool:
        """Whether nobody drives it any more."""
        try:
            return instances.dead(str(self.owner.readlink()))
        except OSError:
            return True

    @property
    def logs(self) -> Path:
        """The directory of its logs."""
        return self.path / "logs"

    @property
    def artifacts(self) -> Path:
        """The directory of what its steps left; it is made when the first does."""
        return self.path / "artifacts"

    @property
    def saved(self) -> Path:
        """The directory of its values at the start of its stages."""
        return self.path / "saved"

    @property
    def journal(self) -> JsonLines:
        """Its journal."""
        return JsonLines(self.path / "journal.jsonl")


class RunStore:
    """The folders of all runs that are kept."""

    def __init__(self, state: Path) -> None:
        self._runs = state / "runs"

    def create(self, run: str, plan: Plan, instance: Instance) -> RunFolder:
        """Make the folder of a new run that an instance drives, and forget the oldest beyond ``KEPT`` that are over.

        Raises:
            InfrastructureError: it cannot be written.
        """
        folder = RunFolder(self._runs / run)
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
            folder.path.mkdir(mode=0o700)
            folder.logs.mkdir(mode=0o700)
            folder.owner.symlink_to(instance.lock)
            # A plan may hold half a surrogate pair, from a fact on the command line that is not UTF-8.
            (folder.path / "plan.json").write_text(codec.dumps(plan), encoding="utf-8", errors="surrogatepass")
            self._forget()
        except OSError as error:
            raise InfrastructureError(
                f"cannot keep the run in {folder.path}: {error.strerror}", hint="RUNNER_STATE_DIR names another place"
            ) from error
        return folder

    def _forget(self) -> None:
        made: dict[Path, int] = {}
        for folder in self._runs.iterdir():
            with suppress(FileNotFoundError):  # another process forgets it at this moment
                made[folder] = folder.stat().st_mtime_ns
        for folder in sorted(made, key=lambda folder: made[folder], reverse=True)[KEPT:]:
            if RunFolder(folder).over:
                shutil.rmtree(folder, ignore_errors=True)  # as above
