"""Parts of the backend that are imported and made when they are first needed; a run's first sandbox does not wait.

Most of the package is about workspaces, which are made ready beside the start of that sandbox.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from runner.backends.docker.client import Engine
from runner.backends.docker.creation import Creation
from runner.backends.docker.images import Images
from runner.backends.docker.memory import Memory
from runner.naming import Instance
from runner.settings import DockerSettings

if TYPE_CHECKING:
    from runner.backends.docker.probes import Probes
    from runner.backends.docker.shell import Shells
    from runner.backends.docker.sweep import Sweep
    from runner.backends.docker.workspaces import Workspaces

_T = TypeVar("_T")


class Late(Generic[_T]):
    """Calls ``make`` once, in the thread that first asks for what it returns."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: _T | None = None
        self._lock = threading.Lock()

    @property
    def made(self) -> _T | None:
        """What was made, if anybody has asked for it."""
        return self._made

    def __call__(self) -> _T:
        """Return what is made."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


def workspaces(  # noqa: PLR0913 - as they are made
    engine: Engine, settings: DockerSettings, instance: Instance, images: Images, *, overlays: bool, memory: Memory
) -> "Workspaces":
    """Return what makes the workspaces of stages."""
    from runner.backends.docker.workspaces import Workspaces  # noqa: PLC0415 - see above

    return Workspaces(engine, settings, instance, images, overlays=overlays, memory=memory)


def shells(engine: Engine, creation: Creation) -> "Shells":
    """Return what lets people look around."""
    from runner.backends.docker.shell import Shells  # noqa: PLC0415 - see above

    return Shells(engine, creation)


def probes(engine: Engine) -> "Probes":
    """Return what looks whether services can be used."""
    from runner.backends.docker.probes import Probes  # noqa: PLC0415 - see above

    return Probes(engine)


def sweep(engine: Engine) -> "Sweep":
    """Return what finds objects by label."""
    from runner.backends.docker.sweep import Sweep  # noqa: PLC0415 - see above

    return Sweep(engine)
