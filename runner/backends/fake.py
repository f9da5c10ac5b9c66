"""A backend without containers: steps last, print and end as their environment says.

It is for tests and for trying out a pipeline's shape. ``behaviour`` says what the environment of a step may ask for.
"""

import os
import re
import select
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from runner.backends.archives import large, packed, unpacked
from runner.backends.artifacts import copied
from runner.backends.behaviour import Behaviour
from runner.backends.standing import Container, World
from runner.backends.triggers import requests_of
from runner.engine.backend import (
    Conflict,
    Ending,
    Output,
    Phase,
    PullProgress,
    Readiness,
    Signal,
    Terminal,
    Wanted,
)
from runner.engine.specs import Release, RunSpec, StageSpec, StepSpec
from runner.errors import EngineRefusedError, ImageError, InfrastructureError, UnwantedError, WorkspaceError
from runner.naming import Address
from runner.pipelinectl.values import Store
from runner.plan.model import Ready, Workspace

_KILLED, _TERMINATED = 137, 143
_MOST_OUTPUT = 10 * 1024 * 1024
_LOOK_SECONDS = 0.05
_EXIT = re.compile(rb"exit[\r\n]")


class FakeBackend:
    """Implements ``engine.backend.Backend`` on a ``World``."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self._told: defaultdict[str, set[str]] = defaultdict(set)

    def reserve(self, run: str) -> None:
        """Do nothing: nothing here takes time."""

    def reserved(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        """Note the run."""
        with self.world.lock:
            self.world.runs.add(run.id)
            self.world.beside[run.id] = run.beside
            if run.id not in self.world.values:
                self.world.values[run.id] = {**run.values, **unpacked(run.files)}
                self.world.returns[run.id] = dict(run.returned)
            if run.outputs:
                self.world.outputs.setdefault(run.id, dict(run.left))
        return ()

    def fetch(self, image: str, *, always: bool, report: Callable[[PullProgress], None]) -> None:
        """Have every image but those that the world misses."""
        with self.world.lock:
            self.world.fetched.append((image, always))
        if image in self.world.missing_images:
            raise ImageError(f"image {image}: not found")
        report(PullProgress(image=image, text="done", current=1, total=1))

    def open_stage(self, stage: StageSpec, lost: Callable[[str], None]) -> None:
        """Note the stage and what it stands on."""
        with self.world.lock:
            for layer in (*stage.layers, *(layer for each in stage.gathered for layer in each.layers)):
                if layer.run not in (stage.address.run, *self.world.kept):
                    raise WorkspaceError(f"{stage.address}: what stage {layer.stage} of run {layer.run} left is gone")
            self.world.stages[stage.address] = lost
            self.world.layers[stage.address] = stage.layers
            self._gather(stage)

    def prepare(self, step: StepSpec) -> Phase:
        """Bring a container to the gate, or adopt it."""
        with self.world.lock:
            found = self.world.containers.get(step.address)
            if found is not None and found.released:
                return Phase.UNDERWAY
            if step.workspace and step.address in self.world.marks:
                return Phase.GONE
            if step.image in self.world.missing_images:
                raise ImageError(f"image {step.image}: not found")
            if "FAKE_START_ERROR" in step.environment:
                raise EngineRefusedError(step.environment["FAKE_START_ERROR"], status=400)
            made = Container(step.address, {**step.defaults, **step.environment}, own_config=step.own_config)
            self.world.containers[step.address] = made
        return Phase.READY

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        """Attach the output."""
        with self.world.lock:
            container = self._at(address)
            container.output, container.wake = output, wake
            if container.exit_code is not None or container.gone:
                wake()

    def release(self, address: Address, release: Release) -> None:
        """Let a container run as its environment says."""
        with self.world.lock:
            container = self._at(address)
            if container.released:
                return
            if container.exit_code is not None:
                raise InfrastructureError(f"{address}: it has ended at the gate")
            container.behaviour = behaviour = Behaviour.of({**container.given, **release.environment})
            if container.own_config:
                self.world.configs[address] = dict(release.config)
            container.released, container.released_at = True, time.monotonic()
            self.world.marks.add(address)
            self.world.starts[address] += 1
            self._hear_out(address.of_stage())
            container.say(behaviour.text)
            container.failed = not self._leave(address, behaviour)
        if not behaviour.hang:
            timer = threading.Timer(behaviour.seconds * self.world.scale, self._elapse, [container])
            timer.daemon = True
            timer.start()

    def signal(self, address: Address, signal: Signal) -> None:
        """End a container, unless it ignores TERM."""
        with self.world.lock:
            container = self.world.containers.get(address)
            if container is None or (signal is Signal.TERM and container.behaviour.ignore_term):
                return
            container.end(_KILLED if signal is Signal.KILL else _TERMINATED)

    def conclude(self, address: Address) -> Ending | None:
        """Say how a container ended."""
        with self.world.lock:
            container = self.world.containers.get(address)
            if container is None or container.gone:
                return Ending(exit_code=None, reason="the container was removed from outside")
            if container.broken:
                container.broken = False
                if container.output is not None:
                    container.output.gap("the stream broke")
            if container.exit_code is None:
                return None
            if container.behaviour.tail and not container.exit_code and self._is_awaited(address):
                container.trailing = True
                return Ending(exit_code=0)
            container.say(container.behaviour.tail)
            if container.output is not None:
                container.output.close()
            oom = "it reached its memory limit" if container.behaviour.oom else ""
            return Ending(exit_code=container.exit_code, reason=oom, started=container.released)

    def discard(self, address: Address) -> None:
        """Remove a container, unless its last output is still to come."""
        with self.world.lock:
            if address in self.world.containers and self.world.containers[address].trailing:
                return
            container = self.world.containers.pop(address, None)
            if container is not None:
                container.gone = True
                if container.output is not None:
                    container.output.close()

    def probe(self, service: Address, ready: Ready | None) -> Readiness:  # noqa: ARG002 - the behaviour says it
        """Say whether a service's time has come."""
        with self.world.lock:
            if (container := self.world.containers.get(service)) is None:
                return Readiness(ready=False, hopeless=True, ended=True, reason="its container is gone")
            return container.readiness(self.world.scale)

    def outputs(self, stage: Address) -> Mapping[str, bytes]:
        """Return the lines that steps have left."""
        with self.world.lock:
            self._opened(stage)
            files = dict(self.world.outputs.get(stage.run, {}))
        if too_large := [name for name, data in files.items() if len(data) > _MOST_OUTPUT]:
            raise InfrastructureError(f"the outputs in {too_large[0]} have more than 10 MiB")
        return files

    def values(self, run: str, *, wanted: Wanted) -> Store:
        """Return what is there of a store."""
        _ask(wanted)
        with self.world.lock:
            files = dict(self._store(run))
        sizes = {name: len(data) for name, data in large(files).items()}
        return Store(contents={name: data for name, data in files.items() if name not in sizes}, sizes=sizes)

    def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
        """Put files into a store."""
        with self.world.lock:
            self._store(run).update(files)

    def returns(self, run: str) -> Mapping[str, bytes]:
        """Return what steps have returned."""
        with self.world.lock:
            self._store(run)
            return dict(self.world.returns[run])

    def requests(self, run: str, *, anew: bool = False) -> Mapping[str, bytes]:
        """Return the requests that steps have made."""
        with self.world.lock:
            self._store(run)
            found, told = self.world.requests[run], self._told[run]
            new = {name: content for name, content in found.items() if anew or name not in told}
            told.update(new)
        return new

    def save_files(self, run: str, target: Path, *, most: int, wanted: Wanted) -> None:
        """Write the large files of a store to a tar."""
        _ask(wanted)
        with self.world.lock:
            files = large(self._store(run))
        if sum(map(len, files.values())) > most:
            raise InfrastructureError(f"the files of run {run} have more than {most:,} bytes")
        packed(files, target)

    def collect(self, attempt: Address, patterns: tuple[str, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        """Write the files that steps of the stage have left, with their paths in them."""
        with self.world.lock:
            self._opened(attempt.of_stage())
            files = list(self.world.files.get(attempt.of_stage(), ()))
        return copied(files, patterns, target, lambda: _ask(wanted))

    def shell(self, step: StepSpec, release: Release, terminal: Terminal) -> None:  # noqa: ARG002 - nothing to see
        """Show a prompt and read what is typed, until it is ``exit``."""
        with self.world.lock:
            self._opened(step.address.of_stage())
            self.world.shells.append(step.address)
        terminal.write(b"fake $ ")
        typed = b""
        while not (terminal.closed() or _EXIT.search(typed)):
            if select.select([terminal.fileno()], [], [], _LOOK_SECONDS)[0]:
                typed += os.read(terminal.fileno(), 1024) or b"exit\n"

    def close_stage(self, stage: Address, *, needed: bool) -> tuple[Conflict, ...]:  # noqa: ARG002 - no files
        """Forget the sandbox of a stage."""
        with self.world.lock:
            self._hear_out(stage)
            self.world.stages.pop(stage, None)
        return ()

    def export(
        self,
        run: RunSpec,  # noqa: ARG002 - as the next two: there are no files to export
        layers: tuple[Address, ...],  # noqa: ARG002
        target: Path,  # noqa: ARG002
        *,
        wanted: Wanted,
    ) -> tuple[str, ...]:
        """Do nothing: fake steps change no files."""
        _ask(wanted)
        return ()

    def close_run(self, run: RunSpec, *, keep: bool) -> None:
        """Remove everything of a run but what volumes would hold, if that is to be kept."""
        with self.world.lock:
            self.world.runs.discard(run.id)
            self._forget(self.world.stages, run.id)
            if keep:
                self.world.kept.add(run.id)
            else:
                self.world.kept.discard(run.id)
                self.world.outputs.pop(run.id, None)
                self.world.values.pop(run.id, None)
                self.world.returns.pop(run.id, None)
                self.world.requests.pop(run.id, None)
                self._forget(self.world.files, run.id)
                self._forget(self.world.gathered, run.id)
                self.world.marks = {address for address in self.world.marks if address.run != run.id}
            for address in [a for a in self.world.containers if a.run == run.id]:
                self.discard(address)

    @staticmethod
    def _forget(addresses: MutableMapping[Address, Any], run: str) -> None:
        for address in [a for a in addresses if a.run == run]:
            del addresses[address]

    def _opened(self, stage: Address) -> None:
        if stage not in self.world.stages:
            raise InfrastructureError(f"{stage}: is not open")

    def _store(self, run: str) -> dict[str, bytes]:
        if run not in self.world.values:
            raise InfrastructureError(f"the values of run {run} cannot be reached: it is not open")
        return self.world.values[run]

    def _gather(self, stage: StageSpec) -> None:
        """Put what branches have left below their paths, once for each round."""
        if not stage.gathered or stage.address in self.world.gathered or stage.workspace is not Workspace.OWN:
            return
        self.world.gathered[stage.address] = stage.gathered
        left = {
            f"{each.path}/{path}": None
            for each in stage.gathered
            for layer in each.layers
            for path in self.world.files.get(layer, ())
        }
        self.world.files.setdefault(stage.address, []).extend(left)

    def _leave(self, address: Address, behaviour: Behaviour) -> bool:
        """Leave what a step does; False if it cannot: it asks for a stage that there is not, or has no name."""
        outputs = self.world.outputs.get(address.run)
        if outputs is not None:
            for name, line in behaviour.outputs.items():
                outputs[name] = outputs.get(name, b"") + line.encode("utf-8", "surrogateescape") + b"\n"
        store = self.world.values.get(address.run, {})
        store.update(behaviour.values)
        self.world.files.setdefault(address.of_stage(), []).extend(behaviour.files)
        asked = requests_of(store, behaviour.triggers)
        self.world.requests[address.run].update(asked)
        if not behaviour.nameless:
            self.world.returns.get(address.run, {}).update(behaviour.returns)
        return len(asked) == len(behaviour.triggers) and not behaviour.nameless

    def _of_stage(self, stage: Address) -> list[Container]:
        return [each for each in self.world.containers.values() if each.address.of_stage() == stage]

    def _is_awaited(self, address: Address) -> bool:
        """Say whether another step of the stage stands at its gate."""
        return any(not each.released and each.exit_code is None for each in self._of_stage(address.of_stage()))

    def _hear_out(self, stage: Address) -> None:
        """Have the last output of a step arrive, and remove it."""
        for container in self._of_stage(stage):
            if container.trailing:
                container.trailing = False
                container.say(container.behaviour.tail)
                self.discard(container.address)

    def _at(self, address: Address) -> Container:
        container = self.world.containers.get(address)
        if container is None:
            raise InfrastructureError(f"{address}: no such container")
        return container

    def _elapse(self, container: Container) -> None:
        with self.world.lock:
            behaviour = container.behaviour
            if behaviour.drop_stream:
                container.broken = True
                container.stir()
            if container.address.attempt <= behaviour.vanish:
                container.gone = True
                self.world.containers.pop(container.address, None)
                container.stir()
            else:
                container.end(_KILLED if behaviour.oom else behaviour.exit_code or int(container.failed))


def _ask(wanted: Wanted) -> None:
    if not wanted():
        raise UnwantedError("nobody wants it any more")
