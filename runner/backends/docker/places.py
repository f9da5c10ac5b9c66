"""Where the containers of attempts stand: the sandbox of their stage, its workspace, and what else they are given."""

from dataclasses import replace

from runner import naming
from runner.backends.docker import mounts
from runner.backends.docker.hostconfig import Joined, Own, Placement
from runner.backends.docker.images import Image, Images
from runner.backends.docker.runs import Runs, Stage
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.values import Values
from runner.engine.specs import StepSpec
from runner.errors import InfrastructureError
from runner.naming import Address, Instance


class Places:
    """The places of one instance's attempts, in what is open of its runs; for use from any thread."""

    def __init__(self, instance: Instance, runs: Runs, sandboxes: Sandboxes, images: Images, values: Values) -> None:
        self._instance = instance
        self._runs = runs
        self._sandboxes = sandboxes
        self._images = images
        self._values = values

    def of(self, step: StepSpec, image: Image) -> Placement:
        """Return the place of an attempt, whose image is like this.

        Raises:
            InfrastructureError: its stage is not open, or its sandbox has died and there is no other.
        """
        address, run = step.address, self._runs.spec(step.address.run)
        stage = self.stage(address.of_stage()) if step.workspace else None
        if step.workspace and stage is None:
            raise InfrastructureError(f"{address}: its stage is not open")
        network: Joined | Own = Own(network=naming.network(address.run), alias=step.alias)
        if not step.alias and stage is not None:
            network = Joined(container=stage.sandbox.id)
        return Placement(
            image=step.image,
            network=network,
            role="step" if step.workspace else "service",
            workdir=run.workdir,
            image_environment=image.environment,
            marks=mounts.MARKS,
            scripts=mounts.SCRIPTS,
            mounts=(*(stage.workspace.mounts if stage else ()), *mounts.of_step(self._instance, run, step)),
            runs=stage.sandbox.runs if stage else lambda: None,
            ready=stage.sandbox.ready if stage else lambda: None,
            has_shell=lambda container: self._images.shell_in(container, image.id),
            note=lambda: self._values.mark(address.run, naming.container(address)) if step.workspace else None,
        )

    def stage(self, stage: Address) -> Stage | None:
        """Return an open stage with a sandbox that lives: another one, if the engine has ended that it had."""
        opened = self._runs.stage(stage)
        if opened is None or self._sandboxes.lives(stage.run, opened.sandbox):
            return opened
        with opened.changing:  # the next step is made ready in a thread of its own
            opened = self._runs.opened(stage)
            if not self._sandboxes.lives(stage.run, opened.sandbox):
                opened = replace(opened, sandbox=self._sandboxes.take(stage, opened.lost))
                self._runs.keep(stage, opened)
        return opened

    def lost(self, address: Address) -> bool:
        """Say whether the sandbox that an attempt should join has died, of which no event has told yet.

        With the engine all died, also those that would be taken next.
        """
        stage = self._runs.stage(address.of_stage())
        self._sandboxes.look_after(tuple(sandbox.id for sandbox in self._sandboxes.live(address.run)))
        return stage is not None and not self._sandboxes.lives(address.run, stage.sandbox)
