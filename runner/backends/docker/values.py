"""The store of a run's values: read from a sandbox that lives, else through the engine's archive call."""

import re
import tarfile
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path

from runner import naming
from runner.backends.docker.answers import MARKS_FOLDER, LongAnswerError, NoAnswerError, new_token
from runner.backends.docker.boxes import ROLE, VALUE_MODE
from runner.backends.docker.client import Engine, translated
from runner.backends.docker.inspection import exists
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.tars import Directory, Limits, kept, packed, too_much, unpacked
from runner.clock import Deadline
from runner.engine.backend import Wanted
from runner.errors import EngineTimeoutError, InfrastructureError, UnwantedError
from runner.pipelinectl.layout import LARGE, STATE, TEXTS, VALUES
from runner.pipelinectl.values import Store

LIMITS = Limits(
    directory="the store of the run's values",
    entry="the value",
    hint="`save_file` and `save_result` take what is large: the contents of files do not count",
    all_bytes=64 << 20,
    members=20_000,
)

_MOST_BYTES = LIMITS.all_bytes + LIMITS.members * 2048  # with the headers of a tar
_WRITE_SECONDS, _ARCHIVE_SECONDS, _SAVING_SECONDS = 10.0, 60.0, 600.0
_TRIES, _PAUSE_SECONDS = 5, 0.05

_NAME = re.compile(r"[a-z]\.[A-Za-z0-9_.%~,-]+")
_UNREAD = tuple(f"{kind}." for kind in LARGE)
_LOST = b"lost\n"


class Values:
    """The stores of an instance's runs, for use from any thread."""

    def __init__(self, engine: Engine, sandboxes: Sandboxes) -> None:
        self._engine = engine
        self._sandboxes = sandboxes

    def read(self, run: str, wanted: Wanted) -> Store:
        """Return a run's store; see ``Backend.values``.

        A file that is replaced while it is read may be torn: a broken tar, or a text without its newline. Then all is
        read again, a few times; a step may have written such a text on purpose.

        Raises:
            InfrastructureError: it is too large, or cannot be read in time.
            UnwantedError: ``wanted`` has said no.
        """
        tries = 0
        while True:
            tries += 1
            try:
                store = self._read(run, wanted)
            except tarfile.TarError as error:
                if tries == _TRIES:
                    raise InfrastructureError(f"reading the run's values: the archive is damaged: {error}") from error
            else:
                if tries == _TRIES or not _torn(store):
                    return store
            time.sleep(_PAUSE_SECONDS)

    def put(self, run: str, files: Mapping[str, bytes]) -> None:
        """Put files into a run's store; see ``Backend.put_values``.

        Through the engine alone nothing can be renamed: a file is written aside and linked, so that for a moment steps
        see none.

        Raises:
            InfrastructureError: they cannot be written.
        """
        if not files:
            return
        for sandbox in self._sandboxes.live(run):
            try:
                sandbox.answers.ask("put", packed(files, VALUE_MODE), stall=_WRITE_SECONDS)
            except NoAnswerError:
                continue
            return
        with translated("writing the run's values"):
            self._engine.api.put_archive(self._container(run), STATE, _linked(files))

    def save(self, run: str, target: Path, most: int, wanted: Wanted) -> None:
        """Write the files that ``read`` leaves out to a tar; see ``Backend.save_files``.

        Raises:
            InfrastructureError: they have more than ``most`` bytes, or cannot be read or written.
            UnwantedError: ``wanted`` has said no.
        """
        archive = self._archive(self._container(run), wanted, _SAVING_SECONDS)
        try:
            with closing(archive):
                kept(archive, target, lambda name: name.startswith(_UNREAD) and bool(_NAME.fullmatch(name)), most)
        except tarfile.TarError as error:
            raise InfrastructureError(f"saving the run's values: the archive is damaged: {error}") from error
        except OSError as error:
            raise InfrastructureError(f"saving the run's values: {target}: {error.strerror}") from error

    def mark(self, run: str, name: str) -> None:
        """Leave a mark like those of gates.

        Raises:
            InfrastructureError: it cannot be written.
        """
        for sandbox in self._sandboxes.live(run):
            try:
                sandbox.answers.ask("mark", name.encode(), stall=_WRITE_SECONDS)
            except NoAnswerError:
                continue
            return
        with translated("writing a mark"):
            self._engine.api.put_archive(
                self._container(run), f"{STATE}/{MARKS_FOLDER}", packed({name: b""}, VALUE_MODE)
            )

    def marked(self, run: str, name: str) -> bool:
        """Say whether there is a mark of this name; 1 ms.

        Raises:
            InfrastructureError: the engine does not answer.
        """
        return exists(self._engine, self._container(run), f"{STATE}/{MARKS_FOLDER}/{name}")

    def _read(self, run: str, wanted: Wanted) -> Store:
        for sandbox in self._sandboxes.live(run):
            token = new_token()
            try:
                answer = sandbox.answers.ask("read_values", most=_MOST_BYTES, token=token)
            except LongAnswerError as error:
                raise too_much(LIMITS) from error
            except NoAnswerError:
                continue
            return _parsed(answer, token)
        archive = self._archive(self._container(run), wanted)
        found = unpacked(archive, LIMITS, skipped=lambda name: name.startswith(_UNREAD))
        return _store([found], {name: size for name, size in found.sizes.items() if name.startswith(_UNREAD)})

    def _container(self, run: str) -> str:
        """Return a sandbox of the run that is still there, running or not."""
        with translated(f"listing the sandboxes of run {run}"):
            labels = [f"{naming.LABEL_RUN}={run}", f"{naming.LABEL_ROLE}={ROLE}"]
            found = self._engine.api.containers(all=True, filters={"label": labels})
        if not found:
            raise InfrastructureError(f"the values of run {run} cannot be reached: it has no sandbox any more")
        return str(found[0]["Id"])

    def _archive(
        self, container: str, wanted: Wanted, seconds: float = _ARCHIVE_SECONDS
    ) -> Generator[bytes, None, None]:
        """Yield the tar of the whole store: also of what is not read, which can be as large as a disk."""
        deadline = Deadline(seconds)
        with translated("reading the run's values"):
            pieces, _ = self._engine.api.get_archive(container, VALUES)
            with closing(pieces):
                for piece in pieces:
                    if not wanted():
                        raise UnwantedError("nobody wants the run's values any more")
                    if deadline.passed:
                        message = f"the run's values cannot be read in {seconds:g} seconds"
                        raise EngineTimeoutError(message)
                    yield piece


def _parsed(answer: bytes, token: str) -> Store:
    """Read what ``read_values`` answers: sizes of what is not read, then tars of the rest, each below ``.``."""
    if answer == _LOST:
        raise InfrastructureError("the run's values cannot be read: a step has removed or replaced their directory")
    listing, *archives = answer.split(f"\n{token}\n".encode())
    sizes = {}
    for line in listing.decode().splitlines():
        size, _, path = line.partition(" ./")
        sizes[path] = int(size)
    found = [unpacked((part for part in (archive,)), LIMITS) for archive in archives]
    return _store(found, sizes)


def _store(found: list[Directory], sizes: Mapping[str, int]) -> Store:
    contents = {name: data for part in found for name, data in part.files.items() if _NAME.fullmatch(name)}
    if len(contents) + len(sizes) > LIMITS.members or sum(map(len, contents.values())) > LIMITS.all_bytes:
        raise too_much(LIMITS)
    return Store(contents=contents, sizes={name: size for name, size in sizes.items() if _NAME.fullmatch(name)})


def _torn(store: Store) -> bool:
    return any(name[0] in TEXTS and not content.endswith(b"\n") for name, content in store.contents.items())


def _linked(files: Mapping[str, bytes]) -> bytes:
    """Return a tar for the directory of the store's own: each file aside, and a second name of it in its place."""
    token = new_token()
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for number, (name, content) in enumerate(files.items()):
            aside = tarfile.TarInfo(f".{token}-{number}")
            aside.size, aside.mode = len(content), VALUE_MODE
            tar.addfile(aside, BytesIO(content))
            link = tarfile.TarInfo(f"values/{name}")
            link.type, link.linkname = tarfile.LNKTYPE, aside.name
            tar.addfile(link)
    return buffer.getvalue()
