"""The volume of a run's values, read: a sandbox that lives answers what is there, else the engine's archive call."""

from collections.abc import Generator
from contextlib import closing

from runner import naming
from runner.backends.docker.answers import LongAnswerError, NoAnswerError, new_token
from runner.backends.docker.client import Engine, translated
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.script import SANDBOX
from runner.backends.docker.tars import Limits, too_much
from runner.clock import Deadline
from runner.engine.backend import Wanted
from runner.errors import EngineTimeoutError, InfrastructureError, UnwantedError

_HEADERS_BYTES = 2048  # of a member of a tar, with what pads it
_LOST = b"lost\n"


def answered(sandboxes: Sandboxes, run: str, verb: str, limits: Limits, body: bytes = b"") -> list[bytes] | None:
    """Return the parts of the answer to a verb that reads a directory; None where no sandbox of the run answers.

    What they are is said by the verb; tars are of files below ``.``.

    Raises:
        InfrastructureError: it is more than the limits allow, or there is no such directory any more.
    """
    for sandbox in sandboxes.live(run):
        token = new_token()
        try:
            answer = sandbox.answers.ask(
                verb, body, most=limits.all_bytes + limits.members * _HEADERS_BYTES, token=token
            )
        except LongAnswerError as error:
            raise too_much(limits) from error
        except NoAnswerError:
            continue
        if answer == _LOST:
            raise InfrastructureError(f"{limits.directory} cannot be read: a step has removed or replaced it")
        return answer.split(f"\n{token}\n".encode())
    return None


def container_of(engine: Engine, sandboxes: Sandboxes, run: str) -> str:
    """Return the id of a container that shows the volume: of a sandbox that lives, if there is one.

    Raises:
        InfrastructureError: there is none.
    """
    live = sandboxes.live(run)
    return live[0].id if live else sandbox_of(engine, run)


def sandbox_of(engine: Engine, run: str) -> str:
    """Return the id of a sandbox of the run that is still there, running or not.

    Raises:
        InfrastructureError: there is none.
    """
    with translated(f"listing the sandboxes of run {run}"):
        labels = [f"{naming.LABEL_RUN}={run}", f"{naming.LABEL_ROLE}={SANDBOX}"]
        found = engine.api.containers(all=True, filters={"label": labels})
    if not found:
        raise InfrastructureError(f"the values of run {run} cannot be reached: it has no sandbox any more")
    return str(found[0]["Id"])


def archive(
    engine: Engine, container: str, path: str, *, wanted: Wanted, seconds: float
) -> Generator[bytes, None, None]:
    """Yield the tar of a whole directory of that volume: also of what is not read, which can be as large as a disk.

    Raises:
        EngineTimeoutError: it takes more than so many seconds.
        UnwantedError: ``wanted`` has said no.
    """
    deadline = Deadline(seconds)
    with translated("reading the run's values"):
        pieces, _ = engine.api.get_archive(container, path)
        with closing(pieces):
            for piece in pieces:
                if not wanted():
                    raise UnwantedError("nobody wants the run's values any more")
                if deadline.passed:
                    raise EngineTimeoutError(f"the run's values cannot be read in {seconds:g} seconds")
                yield piece
