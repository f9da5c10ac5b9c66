"""Making an attempt's container, taking it away, and what to do with one that is there already."""

import time
from collections.abc import Mapping

from runner import naming
from runner.backends.docker import caches, gate, hostconfig
from runner.backends.docker.attach import attach
from runner.backends.docker.attempt import Attempt, Tap
from runner.backends.docker.client import GONE, Engine, translated
from runner.backends.docker.hostconfig import Placement, Terms
from runner.backends.docker.inspection import State, exists, inspect, remove
from runner.backends.docker.reader import Reader
from runner.backends.docker.recipe import NO_LOG
from runner.engine.specs import StepSpec
from runner.errors import EngineRefusedError, ImageError, InfrastructureError
from runner.naming import Address, Instance
from runner.settings import DockerSettings

# A gated container whose engine has died ends within 82 ms; one that is being released is marked in a few.
_ORPHAN_SECONDS, _ORPHAN_PAUSE = 1.0, 0.02


class Creation:
    """Makes the containers of one instance's attempts."""

    def __init__(self, *, engine: Engine, reader: Reader, settings: DockerSettings, instance: Instance) -> None:
        self._engine = engine
        self._reader = reader
        self._settings = settings
        self._instance = instance

    def new(self, spec: StepSpec, placement: Placement) -> Attempt:
        """Return an attempt that has no container yet."""
        return Attempt(
            address=spec.address,
            tap=Tap(
                keeps_log=self._settings.log_driver != NO_LOG,
                log_bytes=self._settings.log_bytes if self._settings.confined else 0,
            ),
            mark=hostconfig.mark(spec, placement),
            spec=spec,
            placement=placement,
        )

    def survivor(self, address: Address) -> State | None:
        """Return the container of this address in which something of the user's has run; remove any other.

        Raises:
            InfrastructureError: the name belongs to a container that is not ours.
        """
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while True:
            state = inspect(self._engine, naming.container(address))
            if state is None:
                return None
            self._check_ours(state, address)
            if self._has_begun(state):
                return state
            if not state.running or time.monotonic() > deadline:
                remove(self._engine, state.id)
                return None
            time.sleep(_ORPHAN_PAUSE)

    def bring_up(self, attempt: Attempt, spec: StepSpec, placement: Placement, shown: Mapping[str, str]) -> None:
        """Create, attach and start a container that ``shown`` is the visible environment of; all of it or nothing.

        Raises:
            ImageError: the image is not there.
            InfrastructureError: the engine cannot make or start it, or there is no shell for the commands.
        """
        try:
            attempt.container = self._create(spec, placement, shown)
            attempt.shown = shown
            if attempt.mark:
                _check_shell(attempt.container, spec, placement)
            if spec.caches:
                caches.open_roots(self._engine, attempt.container, spec.caches, placement.workdir)
            if not attempt.mark:
                placement.note()
            attempt.connection = attach(self._engine.api, attempt.container, stdin=bool(attempt.mark))
            (placement.runs if attempt.mark else placement.ready)()  # a gate opens later
            with translated(f"{attempt.address}: starting the container"):
                self._engine.api.start(attempt.container)
        except BaseException:
            self.take_down(attempt)
            raise

    def take_down(self, attempt: Attempt) -> None:
        """Remove the attempt's container, if it has one.

        Raises:
            InfrastructureError: it cannot be removed.
        """
        self.let_go(attempt)
        # Forgotten first: its end is no news.
        container, attempt.container = attempt.container, ""
        if container:
            remove(self._engine, container)

    def let_go(self, attempt: Attempt) -> None:
        """Hear nothing more of the attempt's stream."""
        connection, attempt.connection = attempt.connection, None
        if connection is not None:
            self._reader.unregister(connection)

    def _create(self, spec: StepSpec, placement: Placement, shown: Mapping[str, str]) -> str:
        api = self._engine.api
        config = hostconfig.config(
            spec,
            placement,
            shown,
            Terms(instance=self._instance, settings=self._settings, version=api.api_version),
        )
        try:
            with translated(f"{spec.address}: creating the container"):
                created = api.create_container_from_config(config, naming.container(spec.address))  # type: ignore[no-untyped-call]  # the stubs lack it
                return str(created["Id"])
        except EngineRefusedError as error:
            if error.status == GONE:
                raise ImageError(error.message, hint=error.hint) from error
            raise

    def _check_ours(self, state: State, address: Address) -> None:
        ours = naming.labels(self._instance, address, "")
        wrong = [name for name, value in ours.items() if name != naming.LABEL_ROLE and state.labels.get(name) != value]
        if wrong:
            raise InfrastructureError(
                f"{address}: container {naming.container(address)} is there already, and is not ours"
                f" ({', '.join(wrong)} differs)",
                hint=f"remove it, if you know it: docker rm -f {state.id[:12]}",
            )

    def _has_begun(self, state: State) -> bool:
        if not state.started or state.going:
            return False
        return not state.mark or exists(self._engine, state.id, state.mark)


def _check_shell(container: str, spec: StepSpec, placement: Placement) -> None:
    if not placement.has_shell(container):
        what, hint = "commands need", "use an image with a shell, or `entrypoint` instead of `commands`"
        if spec.script:
            what, hint = "a script needs", "use an image with a shell"
        raise InfrastructureError(
            f"{spec.address}: {what} a shell, and image {spec.image} has no {gate.SHELL}", hint=hint
        )
