"""Whether a service can be used yet: one look, by a command in it, a port of it, or its image's HEALTHCHECK."""

import time

from runner import naming
from runner.backends.docker.client import Engine
from runner.backends.docker.execs import execute
from runner.backends.docker.inspection import NO_HEALTH, State, inspect
from runner.engine.backend import Readiness
from runner.errors import EngineRefusedError
from runner.naming import Address
from runner.plan.model import Ready

_COMMAND_SECONDS = 5
_CONNECT_SECONDS = 2
_MARGIN_SECONDS = 1.0
_LONGEST_REASON = 200

# An exec is the leader of its own process group, and all that it started goes with it, in time or not: nothing else
# could end it. (`kill` takes no `--` in busybox.) Without `sleep` in the image there is only our own deadline.
_BOUNDED = """\
(sleep "$2" && kill -KILL "-$$") >/dev/null 2>&1 &
/bin/sh -c "$1"
code=$?
trap '' TERM
kill -TERM "-$$"
exit "$code"
"""


class Probes:
    """Looks at the services of an instance's runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self, service: Address, ready: Ready | None, sandbox: str) -> Readiness:
        """Say whether a service can be used; see ``Backend.probe``. ``sandbox`` is one of its run that lives.

        Raises:
            InfrastructureError: the engine does not answer.
        """
        state = inspect(self._engine, naming.container(service))
        if state is None or not state.running:
            return _not_running(state)
        try:
            if ready is not None and ready.command:
                return self._by_command(state, ready.command)
            if ready is not None and ready.port is not None:
                return self._by_port(service.run, state, ready.port, sandbox)
        except EngineRefusedError as error:
            return Readiness(ready=False, reason=error.message)  # it is ending, say: the next look tells
        return _by_health(state)

    def _by_command(self, state: State, command: str) -> Readiness:
        bounded = ("/bin/sh", "-c", _BOUNDED, "sh", command, str(_COMMAND_SECONDS))
        began = time.monotonic()
        ran = execute(self._engine, state.id, bounded, _COMMAND_SECONDS + _MARGIN_SECONDS)
        if ran.exit_code == 0:
            return Readiness(ready=True)
        ending = f"ended with exit code {ran.exit_code}"
        if ran.exit_code is None or time.monotonic() - began >= _COMMAND_SECONDS:
            ending = f"takes more than {_COMMAND_SECONDS} seconds"
        return Readiness(ready=False, reason=_told(f"its `ready` command {ending}", ran.output))

    def _by_port(self, run: str, state: State, port: int, sandbox: str) -> Readiness:
        """Connect from a sandbox, which stands in the run's network as the steps do."""
        address = state.addresses.get(naming.network(run), "")
        # With -e the connection is given up at once; there is no -z in every busybox.
        connect = ("nc", "-w", str(_CONNECT_SECONDS), address, str(port), "-e", "true")
        ran = execute(self._engine, sandbox, connect, _CONNECT_SECONDS + _MARGIN_SECONDS)
        if ran.exit_code == 0:
            return Readiness(ready=True)
        return Readiness(ready=False, reason=_told(f"its port {port} cannot be reached", ran.output))


def _not_running(state: State | None) -> Readiness:
    if state is None or state.going:
        return Readiness(ready=False, hopeless=True, ended=True, reason="its container is gone")
    if not state.started:
        return Readiness(ready=False, reason="it has not been started")
    return Readiness(ready=False, hopeless=True, ended=True, reason=f"it ended with exit code {state.exit_code}")


def _by_health(state: State) -> Readiness:
    if state.health in (NO_HEALTH, "healthy"):
        return Readiness(ready=True)
    reason = _told(f"its health check says {state.health}", state.health_output.encode())
    return Readiness(ready=False, hopeless=state.health == "unhealthy", reason=reason)


def _told(what: str, output: bytes) -> str:
    """Return what was seen, with the last line of what was written to say why."""
    lines = output.decode(errors="replace").strip().splitlines()
    return f"{what}: {lines[-1].strip()[:_LONGEST_REASON]}" if lines else what
