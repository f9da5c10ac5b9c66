"""``python -m tests.support.fake_daemon DIRECTORY``: a real daemon of a process of its own, without containers."""

import sys
from pathlib import Path

from runner.backends.docker.client import Engine
from runner.backends.fake import FakeBackend
from runner.daemon import serve
from runner.engine.backend import Backend
from runner.naming import Instance
from runner.settings import Settings
from tests.support.daemons import Grounds


def main(data: Path) -> int:
    """Serve until a signal ends it."""
    grounds = Grounds(data=data)
    grounds.set(drain=60.0, queues={"default": 1})

    def place(settings: Settings, instance: Instance) -> tuple[Engine, Backend]:
        return Engine(), FakeBackend(grounds.world)

    with grounds.sweep.installed():
        return serve(grounds.settings, grounds.daemon, listen=None, place=place)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
