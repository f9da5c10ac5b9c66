"""What was found out once and stays true: which images have a shell, what the engine of this machine sees and can.

Each of these answers costs 20 to 60 ms, which a run of a few steps would notice. An image never changes under its id.
An engine is taken for the same one as long as its socket is, and this machine was not started anew; and it sees the
paths that we see as long as we stand in the same mounts. Where it refuses something all the same, all is forgotten.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.backends.docker.address import local_socket

if TYPE_CHECKING:
    from runner.backends.docker.client import Engine

_MOST: Final = 2000
"""How many facts are kept; then the older half goes."""

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_MOUNTS: Final = Path("/proc/self/ns/mnt")


class Memory:
    """Facts in a file, each a line; without a file nothing is known. For use from any thread and several processes."""

    def __init__(self, path: Path | None = None, engine: "Engine | None" = None) -> None:
        self._path = path
        self._engine = engine
        self._known: set[str] | None = None

    def knows(self, fact: str) -> bool:
        """Say whether this was learnt before."""
        return fact in self._facts()

    def learn(self, fact: str) -> None:
        """Keep a fact, if it can be kept: who does not find it will find it out again."""
        if self._path is None or not fact or "\n" in fact or self.knows(fact):
            return
        with suppress(OSError, UnicodeEncodeError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{fact}\n")
            known = self._facts()
            known.add(fact)
            if len(known) > _MOST:
                self._known = None  # the file is cut when it is read again

    def doubt(self) -> None:
        """Forget everything, since the engine has refused what should have worked: the next run finds out anew."""
        if self._path is not None:
            self._known = set()
            with suppress(OSError):  # then it is doubted once more
                self._path.unlink(missing_ok=True)

    def of_engine(self, fact: str) -> str:
        """Return a fact about this very engine; empty, which nobody knows, where it cannot be told from another.

        A daemon outlives engines, so it is asked each time which one this is.
        """
        identity = _identity(self._engine) if self._engine else ""
        return f"{identity} {fact}" if identity else ""

    def _facts(self) -> set[str]:
        known = self._known
        if known is None:
            known = self._known = set(self._read())
        return known

    def _read(self) -> list[str]:
        if self._path is None:
            return []
        try:
            found = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []
        if len(found) > _MOST:
            found = found[-_MOST // 2 :]
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            with suppress(OSError):
                draft.write_text("".join(f"{fact}\n" for fact in found), encoding="utf-8")
                draft.replace(self._path)
        return found


def _identity(engine: "Engine") -> str:
    """Return what tells an engine of this machine from any other that there was or will be; empty for one elsewhere."""
    path = local_socket(engine.address)
    if not path:
        return ""
    try:
        status = Path(path).stat()
        boot, mounts = _BOOT.read_text(encoding="ascii").strip(), _MOUNTS.readlink()
    except OSError:
        return ""
    return f"{boot} {status.st_dev}:{status.st_ino}:{status.st_ctime_ns} {mounts}"
