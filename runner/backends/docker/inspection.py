"""Single questions to the engine about one container, and its removal."""

import time
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from runner.backends.docker.client import CONFLICT, GONE, Engine, accepted, endpoint, tolerating, translated
from runner.backends.docker.recipe import NO_LOG
from runner.errors import EngineRefusedError, EngineTimeoutError
from runner.records import record

NO_HEALTH = "none"

_SERVER_ERROR = 500
_REMOVAL_SECONDS = 20.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


@record
class State:
    """What the engine says of a container. ``mark`` is where its gate leaves the mark; empty without a gate.

    ``started_at`` and ``finished_at`` are in seconds of the engine's clock, negative when it has not come to that.
    ``log_bytes`` is how much the engine keeps of its output, 0 for all; ``memory`` its limit in bytes, 0 without one.
    ``health`` is what its HEALTHCHECK says (starting, healthy, unhealthy; ``NO_HEALTH`` if it has none), and
    ``health_output`` what the last one wrote. ``addresses`` has one for the name of each of its networks.
    ``pid`` is its process as the engine counts, 0 when it does not run.
    """

    id: str
    status: str
    exit_code: int
    error: str
    out_of_memory: bool
    mark: str
    keeps_log: bool
    finished_at: float
    labels: Mapping[str, str]
    started_at: float = -1.0
    log_bytes: int = 0
    memory: int = 0
    health: str = NO_HEALTH
    health_output: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    pid: int = 0

    @property
    def started(self) -> bool:
        """Whether it has ever run."""
        return self.status != "created"

    @property
    def running(self) -> bool:
        """Whether it runs still."""
        return self.status in ("running", "paused", "restarting")

    @property
    def going(self) -> bool:
        """Whether somebody is removing it."""
        return self.status in ("removing", "dead")


def inspect(engine: Engine, container: str) -> State | None:
    """Return the state of a container by its id or name, None if there is none."""
    try:
        with translated(f"inspecting container {container}"):
            found: Mapping[str, Any] = engine.api.inspect_container(container)
    except EngineRefusedError as error:
        if error.status == GONE:
            return None
        raise
    state, config = found["State"], found["Config"]
    log = found["HostConfig"]["LogConfig"]
    health, networks = state.get("Health") or {}, found["NetworkSettings"]["Networks"] or {}
    return State(
        id=found["Id"],
        status=state["Status"],
        exit_code=state["ExitCode"],
        error=state["Error"],
        out_of_memory=state["OOMKilled"],
        # Stdin is open exactly for gated containers, and the mark is the gate's last argument (``hostconfig.config``).
        mark=(config["Entrypoint"] or [""])[-1] if config["OpenStdin"] else "",
        keeps_log=log["Type"] != NO_LOG,
        log_bytes=_log_bytes(log["Config"] or {}),
        started_at=datetime.fromisoformat(state["StartedAt"]).timestamp(),
        finished_at=datetime.fromisoformat(state["FinishedAt"]).timestamp(),
        labels=config["Labels"] or {},
        memory=found["HostConfig"]["Memory"],
        health=health.get("Status", NO_HEALTH),
        health_output="".join(look["Output"] for look in (health.get("Log") or ())[-1:]),
        addresses={name: network["IPAddress"] for name, network in networks.items()},
        pid=state.get("Pid", 0),
    )


def _log_bytes(options: Mapping[str, str]) -> int:
    """Return the bound of a log that ``hostconfig`` has made; whatever else an operator has set is no bound of ours."""
    size, files = options.get("max-size", ""), options.get("max-file", "")
    return int(size) * int(files) if size.isdecimal() and files.isdecimal() else 0


def exists(engine: Engine, container: str, path: str) -> bool:
    """Whether a path exists in a container, running or not; ~1 ms."""
    with translated(f"looking for {path} in container {container}"):
        answer = engine.api.head(endpoint(engine.api, "/containers/{0}/archive", container), params={"path": path})
        if answer.status_code == GONE:
            return False
        accepted(answer)
        return True


def remove(engine: Engine, container: str) -> None:
    """Remove a container, whatever its state, with its anonymous volumes; one that is gone is left in peace.

    Raises:
        InfrastructureError: it is still there after 20 seconds.
    """
    deadline = time.monotonic() + _REMOVAL_SECONDS
    pause = _FIRST_PAUSE
    while True:
        try:
            with tolerating(GONE), translated(f"removing container {container}"):
                engine.api.remove_container(container, v=True, force=True)
        except (EngineRefusedError, EngineTimeoutError) as error:
            if not _passing(error) or time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _passing(error: EngineRefusedError | EngineTimeoutError) -> bool:
    """Whether trying again helps: 409 says that a removal is under way, 5xx that something in it is busy still."""
    return isinstance(error, EngineTimeoutError) or error.status == CONFLICT or error.status >= _SERVER_ERROR
