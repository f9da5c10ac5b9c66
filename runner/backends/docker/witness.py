"""Whether an engine let a container end by itself, or ended it.

An engine that is stopped sends TERM to all of its containers, and so does one that is started again after it was killed
(without ``live-restore``): each ends with 143, or with what its trap says, be it 3 or 0. Then nobody saw how its step
would have ended. Nothing in the state of a container tells this from an end of its own: exit code, an empty error and
an ordinary ``die`` (Docker 20.10, ``daemon.restore`` and ``daemon.Shutdown`` of moby). But the sandboxes of its run
were there all the time, and as long as the run is open they end with nobody but the engine. So they are the witnesses:
one that outlived the container proves that the engine had no hand in it. They stay until the run is closed.
"""

from runner import naming
from runner.backends.docker.client import Engine, translated
from runner.backends.docker.inspection import State, inspect
from runner.backends.docker.script import SANDBOX

# How long after a container the sandboxes end, at most, if the engine has ended both. What an engine finds dead at its
# start, as after a power failure, ends with 255 when it gets to it.
_TOGETHER_SECONDS, _FOUND_SECONDS = 1.0, 10.0
_FOUND_DEAD = 255


def engine_stayed(engine: Engine, run: str, ended: State) -> bool:
    """Say whether a container of a run has ended under an engine that lived, and lives on.

    Raises:
        EngineUnavailableError: it is away, or about to be: ask again when it is back.
    """
    engine.check_anew()
    return any(_outlived(ended, state) for state in _sandboxes(engine, run))


def _outlived(ended: State, sandbox: State) -> bool:
    together = _FOUND_SECONDS if ended.exit_code == _FOUND_DEAD else _TOGETHER_SECONDS
    late = sandbox.running or sandbox.finished_at > ended.finished_at + together
    return late and sandbox.started_at <= ended.finished_at


def _sandboxes(engine: Engine, run: str) -> list[State]:
    labels = [f"{naming.LABEL_RUN}={run}", f"{naming.LABEL_ROLE}={SANDBOX}"]
    with translated(f"listing the sandboxes of run {run}"):
        found = engine.api.containers(all=True, filters={"label": labels})
    states = (inspect(engine, raw["Id"]) for raw in found)
    return [state for state in states if state is not None]
