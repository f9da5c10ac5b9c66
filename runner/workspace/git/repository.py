"""One repository elsewhere: how a commit of it is got, by the shortest way that the server allows."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.settings import GitSettings
from runner.workspace.git.credentials import Credentials
from runner.workspace.git.locations import Location
from runner.workspace.git.locks import locked
from runner.workspace.git.mirror import Mirror
from runner.workspace.git.process import Git, Watch
from runner.workspace.git.remote import Advertised, look_up
from runner.workspace.git.spec import Found, SourceSpec
from runner.workspace.git.trouble import TRANSIENT, Cause, GitError

_DIGEST = 16
_KINDS = {True: "whole", False: "tip"}
_LATER = 2.0
"""How many pauses lie before a commit that is not there is asked for again: hooks are faster than some replicas."""


class Repository:
    """What we have of a repository: a directory below ``mirrors``, of whose content its lock is held for each use."""

    def __init__(
        self, mirrors: Path, location: Location, settings: GitSettings, credentials: Credentials, watch: Watch
    ) -> None:
        self.location = location
        self.directory = mirrors / hashlib.sha256(location.url.encode()).hexdigest()[:_DIGEST]
        self.watch = watch
        self._settings = settings
        self._access = credentials.access(location)

    def git(self, directory: Path, *held: int) -> Git:
        """Return git for a directory that has to do with this repository; it keeps the locks that are held."""
        return Git(
            directory=directory, watch=self.watch, protocols=self._settings.protocols, access=self._access, held=held
        )

    def touch(self) -> None:
        """Note that it is used: what nobody uses for long is removed."""
        os.utime(self.directory)

    def obtain(self, spec: SourceSpec) -> Found:
        """Get what is wanted, unless it is there.

        Raises:
            GitError: it cannot be had.
            UnwantedError: nobody wants it any more.
            OSError: it cannot be kept.
        """
        attempt = 1
        while True:
            try:
                return self._obtain(spec)
            except GitError as error:
                late = error.cause is Cause.UNKNOWN and attempt == 1
                if not late and (error.cause not in TRANSIENT or attempt >= self._settings.tries):
                    raise
                self.watch.sleep(self._settings.pause * (_LATER if late else 2 ** (attempt - 1)))
            attempt += 1

    def give(self, found: Found, tree: Path) -> None:
        """Put the objects of a commit that was obtained into the ``.git`` of a tree.

        Raises:
            GitError: they are not there any more.
            OSError: they cannot be put there.
        """
        with self._mirror(whole=found.whole) as mirror:
            mirror.give(found, tree)

    def repaired(self, *, whole: bool) -> bool:
        """Look whether what we have of it is damaged; remove that, and say so.

        Raises:
            GitError: looking took too long.
            OSError: it cannot be removed.
        """
        with self._locked(whole=whole) as mirror:
            if mirror.sound():
                return False
            mirror.remove()
            return True

    def _obtain(self, spec: SourceSpec) -> Found:
        """Get what is wanted; where the server gives no single commits, with all history."""
        if spec.exact or not spec.commit:
            try:
                return self._with_rebuilding(lambda: self._fetch(spec, whole=spec.history), whole=spec.history)
            except GitError as error:
                if error.cause is not Cause.REFUSED:
                    raise
        return self._with_rebuilding(lambda: self._search(spec), whole=True)

    def _with_rebuilding(self, get: Callable[[], Found], *, whole: bool) -> Found:
        """Do it once more with a new mirror, if it failed because ours is damaged."""
        try:
            return get()
        except GitError as error:
            if error.cause is not Cause.OTHER or not self.repaired(whole=whole):
                raise
        return get()

    def _fetch(self, spec: SourceSpec, *, whole: bool) -> Found:
        """Fetch one commit by its hash, or by that which a name has."""
        with self._mirror(whole=whole) as mirror:
            if spec.exact:
                if not mirror.has(spec.commit):
                    mirror.fetch(spec.commit)
                return Found(commit=spec.commit, ref=spec.name, whole=whole)
            known = self._look_up(spec)
            if known.peeled or not mirror.has(known.object):
                mirror.fetch(known.object)
            commit = mirror.commit_of(known.object)
            mirror.keep(commit)
            tag = known.object if known.peeled else ""
            return Found(commit=commit, ref=known.name, tag=tag, default=known.default, whole=whole)

    def _search(self, spec: SourceSpec) -> Found:
        """Fetch all history of a name, or of all, and look for the commit there."""
        with self._mirror(whole=True) as mirror:
            known = self._look_up(spec) if spec.ref or not spec.commit else Advertised()
            pattern = mirror.fetch_ref(known.name) if known.name else mirror.fetch_all()
            held = mirror.held(spec.commit or known.peeled or known.object, pattern)
            if len(held) > 1:
                raise GitError(Cause.UNKNOWN, f"{len(held)} commits begin so: {', '.join(sorted(held)[:3])}")
            if not held:
                raise GitError(Cause.UNKNOWN, f"it is not in the history of {known.name or 'any branch or tag'}")
            mirror.keep(held[0])
            tag = known.object if known.peeled == held[0] else ""
            return Found(commit=held[0], ref=known.name, tag=tag, default=known.default, whole=True)

    def _look_up(self, spec: SourceSpec) -> Advertised:
        return look_up(self.git(self.directory), self.location.url, spec.ref)

    @contextmanager
    def _mirror(self, *, whole: bool) -> Iterator[Mirror]:
        with self._locked(whole=whole) as mirror:
            mirror.open()
            yield mirror

    @contextmanager
    def _locked(self, *, whole: bool) -> Iterator[Mirror]:
        kind = _KINDS[whole]
        with locked(self.directory / f"{kind}.lock", self.watch) as lock:
            self.touch()
            yield Mirror(self.git(self.directory / kind, lock), self.location.url, whole=whole)
