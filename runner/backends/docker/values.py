"""The store of a run's values: read from a sandbox that lives, else through the engine's archive call."""

import re
import tarfile
import time
from collections.abc import Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path

from runner.backends.docker import state
from runner.backends.docker.answers import NoAnswerError, new_token
from runner.backends.docker.boxes import VALUE_MODE
from runner.backends.docker.client import Engine, translated
from runner.backends.docker.inspection import exists
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.script import MARKS_FOLDER, SCRIPTS_FOLDER
from runner.backends.docker.tars import Directory, Limits, kept, packed, too_much, unpacked
from runner.engine.backend import Wanted
from runner.errors import InfrastructureError
from runner.pipelinectl.layout import LARGE, STATE, TEXTS, VALUES
from runner.pipelinectl.values import Store

LIMITS = Limits(
    directory="the store of the run's values",
    entry="the value",
    hint="`save_file` and `save_result` take what is large: the contents of files do not count",
    all_bytes=64 << 20,
    members=20_000,
)

_WRITE_SECONDS, _ARCHIVE_SECONDS, _SAVING_SECONDS = 10.0, 60.0, 600.0
_TRIES, _PAUSE_SECONDS = 5, 0.05

_NAME = re.compile(r"[a-z]\.[A-Za-z0-9_.%~,-]+")
_UNREAD = tuple(f"{kind}." for kind in LARGE)
_SCRIPT_MODE = 0o755


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
            self._engine.api.put_archive(state.sandbox_of(self._engine, run), STATE, _linked(files))

    def save(self, run: str, target: Path, most: int, wanted: Wanted) -> None:
        """Write the files that ``read`` leaves out to a tar; see ``Backend.save_files``.

        Raises:
            InfrastructureError: they have more than ``most`` bytes, or cannot be read or written.
            UnwantedError: ``wanted`` has said no.
        """
        archive = state.archive(
            self._engine, state.sandbox_of(self._engine, run), VALUES, wanted=wanted, seconds=_SAVING_SECONDS
        )
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
        self._leave(run, "mark", name.encode(), MARKS_FOLDER, packed({name: b""}, VALUE_MODE))

    def put_script(self, run: str, name: str, text: bytes) -> None:
        """Put a script where each step of the run can execute it, and root alone can change it.

        Raises:
            InfrastructureError: it cannot be written.
        """
        script = packed({name: text}, _SCRIPT_MODE)
        self._leave(run, "put_script", script, SCRIPTS_FOLDER, script)

    def marked(self, run: str, name: str) -> bool:
        """Say whether there is a mark of this name; 1 ms.

        Raises:
            InfrastructureError: the engine does not answer.
        """
        return exists(self._engine, state.sandbox_of(self._engine, run), f"{STATE}/{MARKS_FOLDER}/{name}")

    def _leave(self, run: str, verb: str, body: bytes, folder: str, files: bytes) -> None:
        """Ask a sandbox to leave something in a folder; where none answers, unpack the tar ``files`` there."""
        for sandbox in self._sandboxes.live(run):
            try:
                sandbox.answers.ask(verb, body, stall=_WRITE_SECONDS)
            except NoAnswerError:
                continue
            return
        with translated(f"writing into {STATE}/{folder}"):
            self._engine.api.put_archive(state.sandbox_of(self._engine, run), f"{STATE}/{folder}", files)

    def _read(self, run: str, wanted: Wanted) -> Store:
        parts = state.answered(self._sandboxes, run, "read_values", LIMITS)
        if parts is not None:
            return _parsed(parts)
        archive = state.archive(
            self._engine, state.sandbox_of(self._engine, run), VALUES, wanted=wanted, seconds=_ARCHIVE_SECONDS
        )
        found = unpacked(archive, LIMITS, skipped=lambda name: name.startswith(_UNREAD))
        return _store([found], {name: size for name, size in found.sizes.items() if name.startswith(_UNREAD)})


def _parsed(parts: list[bytes]) -> Store:
    """Read what ``read_values`` answers: sizes of what is not read, then tars of the rest."""
    listing, *archives = parts
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
