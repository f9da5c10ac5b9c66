"""Where ``exec`` keeps its runs: a folder each, the newest fifty.

::

    <state>/runs/<id>/owner          a link to the lock of the process that drives it
    <state>/runs/<id>/pid            that process
    <state>/runs/<id>/plan.json      the plan
    <state>/runs/<id>/kinship.json   the run that it repeats, or that has started it
    <state>/runs/<id>/order.json     what was ordered, but for the values of secrets
    <state>/runs/<id>/journal.jsonl  what was intended and what happened
    <state>/runs/<id>/values.json    what its steps have left and returned, without secrets, if anybody has asked for it
    <state>/runs/<id>/logs/          a log and its index for each attempt
    <state>/runs/<id>/artifacts/     the files that its steps were to leave, in a folder for each stage

A daemon has the last two below its data directory, and beside them::

    <data>/runs/<id>/saved/          its values as they were when its stages began
    <data>/runs/<id>/learned         the secrets that its steps have told, sealed
"""

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.errors import InfrastructureError
from runner.naming import Instance
from runner.plan import codec
from runner.plan.model import Plan
from runner.records import record
from runner.store import instances
from runner.store.jsonl import JsonLines

KEPT = 50


@record
class Kinship:
    """Where a run comes from: ``parent`` has started it as its async stage ``child``; it repeats ``origin``."""

    parent: str = ""
    child: str = ""
    origin: str = ""


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
    def process(self) -> int | None:
        """The process that drives it, or has done so; None where that is not known."""
        try:
            return int((self.path / "pid").read_bytes())
        except (OSError, ValueError):
            return None

    @property
    def over(self) -> bool:
        """Whether nobody drives it any more."""
        try:
            return instances.dead(str(self.owner.readlink()))
        except OSError:
            return True

    @property
    def plan(self) -> Path:
        """The plan."""
        return self.path / "plan.json"

    @property
    def kinship(self) -> Kinship:
        """Where it comes from; from nowhere, if that cannot be read."""
        try:
            return Kinship(**json.loads((self.path / "kinship.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return Kinship()

    @property
    def order(self) -> Path:
        """What was ordered, but for the secrets (``dispatch.orders``); a rerun begins with it."""
        return self.path / "order.json"

    def keep_order(self, document: str) -> None:
        """Keep what was ordered, in place of what was.

        Raises:
            InfrastructureError: it cannot be written.
        """
        self._keep(self.order, document)

    @property
    def values(self) -> Path:
        """What its steps have left and returned (``pipelinectl.values``), when it is over."""
        return self.path / "values.json"

    def keep_values(self, document: str) -> None:
        """Keep what its steps have left.

        Raises:
            InfrastructureError: it cannot be written.
        """
        self._keep(self.values, document)

    def _keep(self, path: Path, document: str) -> None:
        draft = path.with_suffix(".draft")
        try:
            draft.write_text(document, encoding="utf-8", errors="surrogatepass")
            draft.rename(path)
        except OSError as error:
            raise InfrastructureError(
                f"cannot keep the run in {self.path}: {error.strerror}", hint="is the disk full?"
            ) from error

    def remove(self) -> None:
        """Forget the run; what cannot be removed stays."""
        shutil.rmtree(self.path, ignore_errors=True)

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

    def find(self, run: str) -> RunFolder | None:
        """Return the folder of a run; None where there is none of this id."""
        folder = RunFolder(self._runs / run)
        return folder if run and Path(run).name == run and folder.plan.is_file() else None

    def all(self) -> tuple[RunFolder, ...]:
        """Return the folders of all runs, the oldest first."""
        found = [RunFolder(path) for path in self._runs.glob("*") if (path / "plan.json").is_file()]
        return tuple(sorted(found, key=lambda folder: folder.plan.stat().st_mtime_ns))

    def create(self, run: str, plan: Plan, instance: Instance, kinship: Kinship | None = None) -> RunFolder:
        """Make the folder of a new run that an instance drives, and forget the oldest beyond ``KEPT`` that are over.

        Raises:
            InfrastructureError: it cannot be written.
        """
        folder = RunFolder(self._runs / run)
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
            folder.path.mkdir(mode=0o700)
            _fill(folder, plan, instance, kinship)
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
                RunFolder(folder).remove()


def _fill(folder: RunFolder, plan: Plan, instance: Instance, kinship: Kinship | None) -> None:
    try:
        folder.logs.mkdir(mode=0o700)
        folder.owner.symlink_to(instance.lock)
        (folder.path / "pid").write_text(f"{os.getpid()}\n", encoding="ascii")
        if kinship is not None:
            (folder.path / "kinship.json").write_text(json.dumps(vars(kinship)), encoding="utf-8")
        # A plan may hold half a surrogate pair, from a fact on the command line that is not UTF-8.
        folder.plan.write_text(codec.dumps(plan), encoding="utf-8", errors="surrogatepass")
        # Files are dated by the kernel's tick, within which several runs begin; `RunStore.all` orders them by this.
        now = time.time_ns()
        os.utime(folder.plan, ns=(now, now))
    except OSError:
        folder.remove()
        raise
