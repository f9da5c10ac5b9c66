"""Short commands beside what runs in a container: each has a deadline, and only the end of what it writes is kept."""

import time
from collections.abc import Sequence
from contextlib import closing

from runner.backends.docker.attach import Connection, pieces, start_exec
from runner.backends.docker.client import Engine, translated
from runner.backends.docker.frames import Frames
from runner.engine.backend import STDERR, STDOUT
from runner.errors import EngineTimeoutError
from runner.records import record

_KEPT = 4096


@record
class Ran:
    """How a command ended; without an exit code it did not, in time.

    ``output`` is the last of what it wrote: of stderr, or of stdout if nothing stands there.
    """

    exit_code: int | None
    output: bytes = b""


def execute(engine: Engine, container: str, command: Sequence[str], seconds: float) -> Ran:
    """Run a command in a running container, as the container's user, and wait up to ``seconds`` for its end.

    The engine cannot end what it has started so. A command that may take longer has to end by itself.

    Raises:
        EngineRefusedError: the container does not run, or the program cannot be started.
    """
    api = engine.api
    with translated(f"running a command in container {container}"):
        exec_id: str = api.exec_create(container, list(command))["Id"]
    with closing(start_exec(api, exec_id)) as connection:
        try:
            output = _last_of(connection, seconds)
        except EngineTimeoutError:
            return Ran(exit_code=None)
    with translated(f"asking how a command in container {container} ended"):
        return Ran(exit_code=api.exec_inspect(exec_id)["ExitCode"], output=output)


def _last_of(connection: Connection, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    frames = Frames()
    kept = {STDOUT: b"", STDERR: b""}
    for piece in pieces(connection, seconds):
        for stream, data in frames.feed(piece):
            kept[stream] = (kept[stream] + data)[-_KEPT:]
        if time.monotonic() > deadline:
            raise EngineTimeoutError(f"it went on for more than {seconds:g} seconds")
    return kept[STDERR] or kept[STDOUT]
