"""The life of one attempt: prepare, follow, release, signal, conclude, discard, as ``Backend`` has them."""

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from runner import naming
from runner.backends.docker import configs, gate, hostconfig
from runner.backends.docker.attempt import Attempt, Tap
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.client import CONFLICT, GONE, Engine, tolerating, translated
from runner.backends.docker.creation import Creation
from runner.backends.docker.events import Events
from runner.backends.docker.hostconfig import Joined, Placement
from runner.backends.docker.inspection import State, inspect, remove
from runner.backends.docker.reader import Reader
from runner.backends.docker.tails import Tails
from runner.backends.docker.verdicts import Verdicts
from runner.engine.backend import Ending, Output, Phase, Signal
from runner.engine.specs import Release, StepSpec
from runner.errors import EngineRefusedError, EngineTimeoutError, EngineUnavailableError, InfrastructureError
from runner.naming import Address, Instance
from runner.settings import DockerSettings

_SEND_SECONDS = 60.0
_KILL_SECONDS = 5
_AWAY_SECONDS = 30.0


class Containers:
    """The attempts of one instance, also those that an earlier process has left: they are found by name."""

    def __init__(
        self, *, engine: Engine, reader: Reader, events: Events, settings: DockerSettings, instance: Instance
    ) -> None:
        self._engine = engine
        self._reader = reader
        self._events = events
        self._creation = Creation(engine=engine, reader=reader, settings=settings, instance=instance)
        self._verdicts = Verdicts(engine, reader, max(_AWAY_SECONDS, settings.engine_grace))
        self.tails = Tails(self._verdicts, reader)
        self._lock = threading.Lock()
        self._attempts: dict[Address, Attempt] = {}
        events.add(self)

    def standing(self, address: Address, gone: Callable[[], bool]) -> Phase | None:
        """Say how an attempt stands that an earlier process may have released; None when it is to be prepared.

        ``gone`` is asked where there is no container that has run: whether it had been released all the same.

        Raises:
            InfrastructureError: the engine does not answer, or its container's name belongs to somebody else.
        """
        self._events.ready()
        if self._get(address) is not None:
            return None
        survivor = self._creation.survivor(address)
        if survivor is not None:
            self._adopt(address, survivor)
            return Phase.UNDERWAY
        return Phase.GONE if gone() else None

    def prepare(self, spec: StepSpec, placement: Placement) -> Phase:
        """Bring an attempt to its gate; see ``Backend.prepare``.

        A step without commands has no gate, and shows its environment to the engine from its creation on: as that is
        known at the release only, nothing is created before.

        Raises:
            ImageError: the image is not there.
            InfrastructureError: the engine cannot make or start it, or its image has no shell for its commands.
        """
        self._events.ready()
        known = self._get(spec.address)
        if known is not None and not self._spoilt(known):
            return Phase.UNDERWAY if known.released else Phase.READY
        configs.check(spec)
        attempt = self._creation.new(spec, placement)
        self._keep(attempt)
        try:
            return self._to_gate(attempt, spec, placement) if hostconfig.gated(spec) else Phase.READY
        except BaseException:
            self._forget(attempt)
            raise

    def _to_gate(self, attempt: Attempt, spec: StepSpec, placement: Placement) -> Phase:
        """Bring a new attempt to its gate, or adopt the container that has its name already, if anything has run there.

        Nobody asks for that one before: where nothing was lost there is none, and asking costs 2 ms for each step.
        """
        shown = _unexportable(hostconfig.variables(spec, placement, {}))
        try:
            self._creation.bring_up(attempt, spec, placement, shown)
        except EngineRefusedError as error:
            if error.status != CONFLICT:
                raise
            survivor = self._creation.survivor(spec.address)
            if survivor is not None:
                self._adopt(spec.address, survivor)
                return Phase.UNDERWAY
            self._creation.bring_up(attempt, spec, placement, shown)
        return Phase.READY

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        """Send output and news there; see ``Backend.follow``.

        Raises:
            InfrastructureError: there is no such attempt.
        """
        attempt = self._known(address)
        followed = attempt.tap.followed
        attempt.tap.follow(output, wake)
        if followed:
            return
        if attempt.connection is not None:
            self.tails.listen(attempt)
        elif attempt.container:
            state = inspect(self._engine, attempt.container)
            if state is None:
                attempt.tap.ended(None)
            else:
                self._resume(attempt, state)

    def _resume(self, attempt: Attempt, state: State) -> None:
        if state.keeps_log:
            attempt.tap.anew()
        try:
            self._verdicts.resume(attempt, state, "what the step wrote before the runner came back was not kept")
        except (EngineUnavailableError, EngineTimeoutError) as error:
            attempt.tap.ended(error)  # as a stream that breaks: it is read on when the engine is back

    def release(self, address: Address, release: Release) -> None:
        """Open the gate, or start what has none; see ``Backend.release``.

        A variable that no shell can export is one of the container itself, which is made anew when it is not known
        until now. The engine shows those.

        Raises:
            InfrastructureError: the attempt did not take it; it has not run and will not.
        """
        attempt = self._known(address)
        spec, placement = attempt.spec, attempt.placement
        if attempt.released or spec is None or placement is None:
            return
        environment = hostconfig.variables(spec, placement, release.environment)
        if not hostconfig.gated(spec):
            self._start(attempt, spec, placement, hostconfig.with_path(spec, placement, environment))
        elif self._at_gate(attempt, spec, placement, _unexportable(environment)):
            self._open_gate(attempt, spec, placement, replace(release, environment=environment))
        attempt.released = True

    def rejoin(self, address: Address, sandbox: Sandbox) -> None:
        """Have an attempt that was not released stand in the network of another sandbox than it was to."""
        attempt = self._known(address)
        if attempt.container:
            self._creation.take_down(attempt)
        if attempt.placement is not None and isinstance(attempt.placement.network, Joined):
            network = Joined(container=sandbox.id)
            attempt.placement = replace(attempt.placement, network=network, runs=sandbox.runs, ready=sandbox.ready)

    def container(self, address: Address) -> str:
        """Return the id of an attempt's container; empty while it has none."""
        attempt = self._get(address)
        return attempt.container if attempt else ""

    def signal(self, address: Address, signal: Signal) -> None:
        """Ask an attempt to end, or end it; see ``Backend.signal``.

        Raises:
            InfrastructureError: the engine does not pass it on.
        """
        attempt = self._get(address)
        container = naming.container(address) if attempt is None else attempt.container
        if not container:
            return
        if attempt is not None:
            attempt.killed = True
        try:
            self._kill(container, signal, _KILL_SECONDS)
        except EngineTimeoutError:
            # A stream that is not read wedges its container: kill hangs until the stream is closed.
            if attempt is not None and attempt.connection is not None:
                attempt.given_up = True
                attempt.connection.shut()
                attempt.tap.gap("the output was cut off, since the container took no signal otherwise")
            self._kill(container, signal, _KILL_SECONDS * 2)

    def conclude(self, address: Address) -> Ending | None:
        """Say how an attempt ended, or None while it goes on; see ``Backend.conclude``.

        One whose output is still to come, as the next of its stage is ready, is one of ``tails`` from then on.
        """
        if self.tails.holds(address):
            return Ending(exit_code=0)
        attempt = self._get(address)
        if attempt is None:
            state = inspect(self._engine, naming.container(address))
            if state is None:
                return Ending(exit_code=None, reason="its container is gone")
            attempt = self._adopt(address, state)
        ending = None if self.tails.waits(address) else self._verdicts.conclude(attempt)
        if ending is None and attempt.tap.left and self._may_trail(attempt) and self._verdicts.succeeded(attempt):
            self.tails.begin(attempt)
            ending = Ending(exit_code=0)
        return ending

    def _may_trail(self, attempt: Attempt) -> bool:
        """Say whether another of the stage stands at its gate, or is on its way there, and too many do not trail."""
        stage = attempt.address.of_stage()
        others = (each for each in self._all() if each.address.of_stage() == stage)
        return not self.tails.full(stage) and any(each.mark and not each.released for each in others)

    def succeeded(self, container: str) -> None:
        """Hear from the kernel that a container has ended with 0."""
        for attempt in self._all():
            if attempt.container == container:
                attempt.tap.succeeded()

    def _spoilt(self, attempt: Attempt) -> bool:
        """Say whether an attempt has ended at its gate, or may have been cut off there; then forget it."""
        tap = attempt.tap
        if attempt.released or not attempt.mark or not (tap.dead.is_set() or tap.over.is_set() or tap.doubtful):
            return False
        self._creation.take_down(attempt)
        self._forget(attempt)
        return True

    def _at_gate(self, attempt: Attempt, spec: StepSpec, placement: Placement, shown: Mapping[str, str]) -> bool:
        """Bring an attempt to a gate that shows ``shown``, if it does not stand there; False if it has been opened.

        It does not after a release that failed since the engine went away. Only the mark tells whether it had worked.
        """
        if attempt.broken or not attempt.container:
            if self._began(attempt):
                return False
            attempt.tap.renew()
        elif shown == attempt.shown:
            return True
        else:
            self._creation.take_down(attempt)
        self._bring_up_anew(attempt, spec, placement, shown)
        return True

    def _start(self, attempt: Attempt, spec: StepSpec, placement: Placement, shown: Mapping[str, str]) -> None:
        """Start an attempt without a gate, unless that was tried before and has worked."""
        if attempt.broken and self._began(attempt):
            return
        attempt.broken = True
        self._bring_up_anew(attempt, spec, placement, shown)
        attempt.broken = False

    def _bring_up_anew(self, attempt: Attempt, spec: StepSpec, placement: Placement, shown: Mapping[str, str]) -> None:
        """Bring an attempt up whose output somebody may want already."""
        self._creation.bring_up(attempt, spec, placement, shown)
        if attempt.tap.followed:
            self.tails.listen(attempt)

    def _began(self, attempt: Attempt) -> bool:
        """Say whether an attempt has begun whose release failed, as the engine went away; if not, remove it."""
        self._creation.let_go(attempt)
        survivor = self._creation.survivor(attempt.address)
        attempt.broken = False
        if survivor is None:
            attempt.container = ""
            return False
        attempt.container = survivor.id
        attempt.tap.ended(None)
        return True

    def silence(self, address: Address) -> None:
        """Hear nothing more of an attempt; its output is closed."""
        attempt = self._get(address)
        if attempt is not None:
            connection, attempt.connection = attempt.connection, None
            if connection is not None:
                self._reader.unregister(connection)
            attempt.tap.close()

    def discard(self, address: Address) -> None:
        """Remove an attempt's container; see ``Backend.discard``.

        Raises:
            InfrastructureError: it cannot be removed; may be called again.
        """
        attempt = self._get(address)
        known = attempt is not None and bool(attempt.container)
        if attempt is not None:
            self._creation.take_down(attempt)
            attempt.tap.close()
            self._forget(attempt)
        if not known:
            remove(self._engine, naming.container(address))

    def forget(self, run: str) -> None:
        """Hear nothing more of the attempts of a run; their containers are left alone."""
        self.tails.forget(run)
        for attempt in self._all():
            if attempt.address.run == run:
                self._creation.let_go(attempt)
                attempt.tap.close()
                self._forget(attempt)

    def signalled(self, container: str) -> None:
        """Hear that a container was sent a signal: unless it was ours, it may be the engine's."""
        for attempt in self._all():
            if attempt.container == container:
                attempt.tap.suspect = True

    def died(self, container: str, exit_code: int) -> None:
        """Hear of the end of a container."""
        for attempt in self._all():
            if attempt.container == container:
                attempt.tap.died(exit_code)

    def resync(self) -> None:
        """Hear that ends may have been missed."""
        for attempt in self._all():
            attempt.tap.doubt()

    def _open_gate(self, attempt: Attempt, spec: StepSpec, placement: Placement, release: Release) -> None:
        placement.ready()
        exported = {name: value for name, value in release.environment.items() if gate.exportable(name)}
        shell = "" if spec.script else spec.shell
        sent = gate.payload(exported, hostconfig.behind_gate(spec, placement), secrets.token_hex(16), shell)
        connection = attempt.connection
        if connection is None:
            raise InfrastructureError(f"{attempt.address}: has no gate that could be opened")
        try:
            configs.fill(self._engine, attempt.container, spec, placement, release.config)
            connection.send(sent, _SEND_SECONDS, attempt.tap.over)
        except InfrastructureError as error:
            attempt.broken = True
            self._engine.check_anew()  # if it goes away, the gate may have been opened or not
            self._creation.take_down(attempt)
            raise InfrastructureError(f"{attempt.address}: did not take its script: {error.message}") from error
        connection.end_input()

    def _kill(self, container: str, signal: Signal, seconds: int) -> None:
        client = self._engine.new_client(seconds)
        try:
            with tolerating(GONE, CONFLICT), translated(f"sending {signal} to container {container}"):
                client.kill(container, signal.value)
        finally:
            client.close()

    def _adopt(self, address: Address, state: State) -> Attempt:
        attempt = Attempt(
            address=address,
            tap=Tap(keeps_log=state.keeps_log, log_bytes=state.log_bytes),
            mark=state.mark,
            container=state.id,
            released=True,
        )
        self._keep(attempt)
        return attempt

    def _known(self, address: Address) -> Attempt:
        """Return an attempt of this process, or one that an earlier one has left."""
        attempt = self._get(address)
        if attempt is None:
            state = inspect(self._engine, naming.container(address))
            if state is None:
                raise InfrastructureError(f"{address}: was not prepared, or its container has been removed")
            attempt = self._adopt(address, state)
        return attempt

    def _get(self, address: Address) -> Attempt | None:
        with self._lock:
            return self._attempts.get(address)

    def _all(self) -> list[Attempt]:
        with self._lock:
            return list(self._attempts.values())

    def _keep(self, attempt: Attempt) -> None:
        with self._lock:
            self._attempts[attempt.address] = attempt

    def _forget(self, attempt: Attempt) -> None:
        with self._lock:
            self._attempts.pop(attempt.address, None)


def _unexportable(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not gate.exportable(name)}
