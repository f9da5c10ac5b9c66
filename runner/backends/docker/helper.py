"""Helper containers: what must be done inside volumes is done there, by fixed scripts of busybox's sh.

No text of a user's gets into a script: paths arrive as arguments, or as files that the archive API puts in place.
"""

import base64
import json
import os
import tarfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from io import BytesIO

from docker.types import LogConfig, Mount

from runner import naming
from runner.backends.docker.attach import attach, pieces
from runner.backends.docker.client import CONFLICT, GONE, Engine, accepted, endpoint, tolerating, translated
from runner.backends.docker.frames import Frames
from runner.engine.backend import STDOUT, Wanted
from runner.errors import UnwantedError, WorkspaceError
from runner.naming import Address, Instance
from runner.records import record

ROLE = "helper"
INPUTS = "/in"
COPYING_SECONDS = 3600  # how long a script that copies may be silent

_SECONDS = 120
_TOLD = 2000  # characters of what a failed script wrote


@record
class PathStat:
    """What the archive API tells of a path: permission bits, bytes, and when it was modified."""

    mode: int
    size: int
    modified: datetime


class Helpers:
    """Makes helper containers of the sandbox image, for use from any thread.

    With ``wanted``, whatever lasts ends by ``UnwantedError`` once it says no, and no further container is made.
    """

    def __init__(self, engine: Engine, instance: Instance, image: str, wanted: Wanted | None = None) -> None:
        self._engine = engine
        self._instance = instance
        self._image = image
        self._wanted = wanted

    def asking(self, wanted: Wanted) -> "Helpers":
        """Return helpers like these that ask whether anybody still wants what they do."""
        return Helpers(self._engine, self._instance, self._image, wanted)

    @contextmanager
    def container(self, run: str, mounts: Sequence[Mount], command: Sequence[str] = ("true",)) -> Iterator[str]:
        """Create a container that mounts these volumes, and remove it in the end; yields its id."""
        self._ask()
        api = self._engine.api
        with translated("creating a helper container"):
            host = api.create_host_config(mounts=list(mounts), network_mode="none", log_config=LogConfig(type="none"))
            labels = naming.labels(self._instance, Address(run), ROLE)
            raw = api.create_container(self._image, list(command), host_config=host, labels=labels, user="0:0")
        try:
            yield raw["Id"]
        finally:
            _remove(self._engine, raw["Id"])

    def run(  # noqa: PLR0913 - each is named at the call
        self,
        run: str,
        script: str,
        arguments: Sequence[str] = (),
        *,
        mounts: Sequence[Mount],
        inputs: Mapping[str, bytes] | None = None,
        seconds: float = _SECONDS,
    ) -> bytes:
        """Run a fixed script with ``inputs`` as files below ``INPUTS``, and return what ``finish`` does."""
        with self.container(run, mounts, ("sh", "-c", script, "helper", *arguments)) as container:
            self.give(container, inputs or {})
            return self.finish(container, seconds)

    def give(self, container: str, inputs: Mapping[str, bytes]) -> None:
        """Put files below ``INPUTS`` of a container that has not run yet."""
        if inputs:
            members = ((tarfile.TarInfo(f"{INPUTS.lstrip('/')}/{name}"), text) for name, text in inputs.items())
            self.put(container, "/", archive(members))

    def finish(self, container: str, seconds: float = _SECONDS) -> bytes:
        """Run a container to its end, and return what it wrote to stdout.

        Raises:
            WorkspaceError: it failed; the message has what it wrote to stderr.
            EngineTimeoutError: it wrote nothing for ``seconds``.
            UnwantedError: nobody wants it any more; it may go on until the container is removed.
        """
        api = self._engine.api
        output: dict[int, list[bytes]] = {}
        frames = Frames()
        with closing(attach(api, container, stdin=False)) as connection:
            with translated("starting a helper container"):
                api.start(container)
            for piece in pieces(connection, seconds, self._ask if self._wanted else None):
                for stream, data in frames.feed(piece):
                    output.setdefault(stream, []).append(data)
        with translated("waiting for a helper container"):
            code = api.wait(container)["StatusCode"]
        written = b"".join(output.pop(STDOUT, ()))
        if code:
            told = b"".join(part for parts in output.values() for part in parts)[-_TOLD:].decode(errors="replace")
            raise WorkspaceError(f"a script in a workspace failed with exit code {code}: {told.strip()}")
        return written

    def put(self, container: str, path: str, archive: Iterable[bytes] | bytes) -> None:
        """Unpack a tar below a directory of a container, which need not run."""
        with translated("writing into a volume"):
            self._engine.api.put_archive(container, path, archive)

    @contextmanager
    def get(self, container: str, path: str) -> Iterator[Iterator[bytes]]:
        """Read a directory of a container as a tar, its members below the directory's own name.

        The engine keeps hold of the container until this is left: only then can it be removed.
        """
        with translated("reading from a volume"):
            pieces_of_tar, _ = self._engine.api.get_archive(container, path)
        with closing(self._asked(pieces_of_tar)) as asked:
            yield asked

    def stat(self, container: str, path: str) -> PathStat | None:
        """Return what a path is, without starting the container; None when it is not there."""
        return stat(self._engine, container, path)

    def remove_left(self, run: str) -> None:
        """Remove the helper containers of a run that a process left which died."""
        wanted = [f"{naming.LABEL_RUN}={run}", f"{naming.LABEL_ROLE}={ROLE}"]
        with translated("listing helper containers"):
            found = self._engine.api.containers(all=True, filters={"label": wanted})
        for raw in found:
            _remove(self._engine, raw["Id"])

    def _asked(self, pieces_of_tar: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
        with closing(pieces_of_tar), translated("reading from a volume"):
            for piece in pieces_of_tar:
                self._ask()
                yield piece

    def _ask(self) -> None:
        if self._wanted is not None and not self._wanted():
            raise UnwantedError("nobody wants it any more")


def stat(engine: Engine, container: str, path: str) -> PathStat | None:
    """Return what a path of a container is, running or not, itself and not what it links to; ~1 ms.

    None when it is not there.
    """
    api = engine.api
    with translated(f"looking for {path} in a volume"):
        answer = api.head(endpoint(api, "/containers/{0}/archive", container), params={"path": os.fsencode(path)})
        if answer.status_code == GONE:
            return None
        fields = json.loads(base64.b64decode(accepted(answer).headers["X-Docker-Container-Path-Stat"]))
        return PathStat(
            mode=fields["mode"] & 0o777,
            size=fields["size"],
            modified=datetime.fromisoformat(fields["mtime"]),
        )


def directory(name: str, *, mode: int, uid: int, gid: int, modified: float) -> tarfile.TarInfo:
    """Return the member of a tar that makes a directory, or gives an existing one this mode, owner and time."""
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uid, member.gid, member.mtime = tarfile.DIRTYPE, mode, uid, gid, int(modified)
    return member


def archive(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return a tar of these members with their content."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return buffer.getvalue()


def _remove(engine: Engine, container: str) -> None:
    # 409: somebody else is removing it already.
    with tolerating(GONE, CONFLICT), translated("removing a helper container"):
        engine.api.remove_container(container, force=True, v=False)
