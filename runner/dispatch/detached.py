"""The process of an async stage that nobody waits for; see ``dispatch.apart``."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from runner.dispatch.apart import KEPT
from runner.dispatch.family import Family, Member
from runner.dispatch.orders import StoredOrder
from runner.dispatch.place import local
from runner.dispatch.single import means_of
from runner.engine.children import Child
from runner.engine.events import Observer
from runner.engine.job import Keep
from runner.errors import RunnerError
from runner.settings import Settings


@contextmanager
def _unseen(member: Member) -> Iterator[Observer]:  # noqa: ARG001 - as ``family.Showing``
    yield lambda _: None


def main() -> None:
    """Drive the run that the message on stdin is about, and those that it starts, to their end; TERM cancels them.

    The answer on stdout is ``KEPT``, or why it cannot begin.
    """
    message = json.load(sys.stdin)
    try:
        order = StoredOrder.read(message["ordered"], message["hidden"])
        with local(Settings.read()) as place:
            family = Family(means_of(place, Keep(message["keep"])), _unseen)
            signal.signal(signal.SIGTERM, lambda *_: family.cancel())
            family.adopt(message["parent"], Child(stage=message["stage"], id=message["run"]), order)
            _answer(KEPT)
            family.wait()
    except RunnerError as error:
        _answer(error.explained)


def _answer(text: str) -> None:
    """Give the answer; a second one reaches nobody."""
    sys.stdout.write(text)
    sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
