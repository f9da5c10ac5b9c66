"""Sources from git, as runs have them: fetched, leased while they are needed, and left for the next run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.clock import Deadline
from runner.errors import UsageError, WorkspaceError
from runner.settings import GitSettings
from runner.workspace.git.credentials import Credentials
from runner.workspace.git.locations import Location, beside, locate
from runner.workspace.git.locks import locked
from runner.workspace.git.process import Wanted, Watch, require
from runner.workspace.git.repository import Repository
from runner.workspace.git.slots import Key, Slot, Slots, key_of
from runner.workspace.git.spec import Fetched, Found, SourceSpec
from runner.workspace.git.submodules import Submodule, is_below, submodules
from runner.workspace.git.tree import plant, turn
from runner.workspace.git.trouble import Cause, GitError, explained, printable

_DEEPEST = 8
"""How deep submodules lie in one another at most."""


class Sources:
    """Fetches repositories; what it has of them is below ``mirrors``, for all processes that name this directory.

    They share it: what one could fetch with its credentials, all can have by its address and commit.
    """

    def __init__(self, mirrors: Path, settings: GitSettings, credentials: Credentials | None = None) -> None:
        self._mirrors = mirrors.absolute()
        self._settings = settings
        self._credentials = Credentials.read(settings) if credentials is None else credentials

    @contextmanager
    def fetched(self, spec: SourceSpec, *, wanted: Wanted = lambda: True) -> Iterator[Fetched]:
        """Have what is wanted in a directory until the end of the block, or of the process.

        For a commit told by its whole hash whose tree is there, no server is asked. Nothing may write into the
        directory. Where it is needed again after a crash, asking for the same returns the same.

        Raises:
            UsageError: the address is none that git may be given.
            WorkspaceError: it cannot be fetched; the message names repository and commit, and no login.
            UnwantedError: ``wanted`` has said no.
        """
        require()
        location = locate(spec.url, self._settings.protocols)
        watch = Watch(deadline=Deadline(self._settings.total), stall=self._settings.stall, wanted=wanted)
        fetch = _Fetch(self._mirrors, self._settings, self._credentials, watch)
        try:
            slot, key = fetch.slot(location, spec)
        except GitError as error:
            raise explained(error, location, spec.goal) from error
        except OSError as error:
            raise WorkspaceError(
                f"{location}: {spec.goal} cannot be kept in {self._mirrors}: {error.strerror}", hint="is the disk full?"
            ) from error
        try:
            yield Fetched(path=slot.tree, commit=key.commit, ref=key.ref, default=key.default, url=location.url)
        finally:
            slot.release()


class _Fetch:
    """One source on its way."""

    def __init__(self, mirrors: Path, settings: GitSettings, credentials: Credentials, watch: Watch) -> None:
        self._mirrors = mirrors
        self._settings = settings
        self._credentials = credentials
        self._watch = watch

    def slot(self, location: Location, spec: SourceSpec) -> tuple[Slot, Key]:
        """Return a lease of the tree that is wanted; make it, if it is not there."""
        repository = self._repository(location)
        slots = Slots(repository.directory / "trees")
        if there := _there(slots, spec):
            repository.touch()
            return there
        with locked(repository.directory / "trees.lock", self._watch):
            if there := _there(slots, spec):  # somebody else has made it meanwhile
                return there
            slot, key = self._make(slots, repository, spec)
            try:
                slots.trim()
            except BaseException:
                slot.release()
                raise
            return slot, key

    def _make(self, slots: Slots, repository: Repository, spec: SourceSpec) -> tuple[Slot, Key]:
        found = repository.obtain(spec)
        try:
            return self._fill(slots, repository, found, spec)
        except GitError as error:
            if error.cause is not Cause.OTHER or not repository.repaired(whole=found.whole):
                raise
        return self._fill(slots, repository, repository.obtain(spec), spec)

    def _fill(self, slots: Slots, repository: Repository, found: Found, spec: SourceSpec) -> tuple[Slot, Key]:
        key = key_of(found, spec)
        if there := slots.lease(key):
            return there, key
        slot = slots.claim()
        try:
            if spec.submodules:
                slot.clear()
            turn(slot, repository, found)
            if spec.submodules:
                self._enter(slot.tree, slot.lock, repository, found.commit, deep=1)
            slot.finish(key)
            slot.share()
        except BaseException:
            slot.release()
            raise
        return slot, key

    def _enter(self, tree: Path, lock: int, repository: Repository, commit: str, *, deep: int) -> None:
        """Make the trees of all submodules of a tree, and of theirs."""
        for submodule in submodules(repository.git(tree, lock), commit):
            name = f"submodule {printable(submodule.path)}"
            if deep > _DEEPEST or not is_below(tree, submodule.path):
                raise WorkspaceError(f"{repository.location}: {name}: lies where no submodule can lie")
            inner = self._repository(self._location(repository.location, submodule, name))
            spec = SourceSpec(url=inner.location.url, commit=submodule.commit)
            place = tree / submodule.path
            try:
                found = inner.obtain(spec)
                plant(inner.git(place, lock), inner, found)
            except GitError as error:
                raise explained(error, f"{repository.location}: {name}: {inner.location}", spec.goal) from error
            self._enter(place, lock, inner, found.commit, deep=deep + 1)

    def _location(self, around: Location, submodule: Submodule, name: str) -> Location:
        try:
            location = locate(beside(around.url, submodule.url), self._settings.protocols)
        except UsageError as error:
            raise WorkspaceError(f"{around}: {name}: {error.message}", hint=error.hint) from error
        if location.protocol == "file" != around.protocol:
            raise WorkspaceError(
                f"{around}: {name}: {location}: would be read from this machine",
                hint="only repositories that are on this machine themselves may have submodules there",
            )
        return location

    def _repository(self, location: Location) -> Repository:
        credentials = self._credentials.including(location)
        return Repository(self._mirrors, location, self._settings, credentials, self._watch)


def _there(slots: Slots, spec: SourceSpec) -> tuple[Slot, Key] | None:
    key = slots.serving(spec)
    slot = slots.lease(key) if key else None
    return (slot, key) if key and slot else None
