"""A workspace made on the engine as a run makes it, looked at, and removed: what the storage driver cannot tell."""

from pathlib import Path

from runner import naming
from runner.backends.docker.client import Engine
from runner.backends.docker.diagnosis.check import Check, Verdict, bad, note, ok
from runner.backends.docker.helper import Helpers
from runner.backends.docker.images import Images
from runner.backends.docker.listing import TO
from runner.backends.docker.memory import Memory
from runner.backends.docker.sources import open_source
from runner.backends.docker.volumes import Volumes, remove_volumes
from runner.engine.specs import RunSpec, Source, SourceMode
from runner.errors import EngineRefusedError, ImageError, WorkspaceError
from runner.naming import Address, Instance
from runner.records import record
from runner.settings import DockerSettings
from runner.workspace import layers

_PLAIN = ("x", "y", "u", "w")  # two empty layers, as a tree needs that has no source below, upper and work


@record
class Trial:
    """One trial. ``instance`` owns what is made, so that `runner clean` removes it should we be killed.

    ``source`` is the directory that a run would work on; ``driver`` is the storage driver's name, to be told.
    """

    engine: Engine
    settings: DockerSettings
    instance: Instance
    source: Path
    driver: str

    def sandbox_image(self) -> Check:
        """Look whether the image is there of which sandboxes and helper containers are made."""
        try:
            Images(self.engine, self.settings).describe(self.settings.sandbox_image)
        except ImageError as error:
            advice = "`scripts/build-images` makes it; RUNNER_SANDBOX_IMAGE names another"
            return bad("sandbox image", error.message, advice)
        return ok("sandbox image", self.settings.sandbox_image)

    def workspaces(self) -> tuple[Check, Check]:
        """Say how the source gets to the engine, and whether workspaces are layers or copies; needs the image.

        Raises:
            InfrastructureError: the engine does not answer, or refuses what every run needs.
        """
        run = naming.new_run_id()
        helpers = Helpers(self.engine, self.instance, self.settings.sandbox_image)
        volumes = Volumes(self.engine, self.instance)
        try:
            source = self._source(volumes, helpers, run)
            below = (str(self.source.resolve()),) if source.verdict is Verdict.OK else ()
            return source, self._layering(_obstacle(volumes, helpers, run, below))
        finally:
            helpers.remove_left(run)
            remove_volumes(self.engine, {naming.LABEL_RUN: run})

    def _source(self, volumes: Volumes, helpers: Helpers, run: str) -> Check:
        """Say whether the engine sees the source as the very same directory."""
        # Bound, since that refuses at once where a run that layers its source would send it.
        source = Source(path=self.source, mode=SourceMode.BIND)
        try:
            open_source(volumes, helpers, RunSpec(id=run, home=TO, workdir=TO, source=source), Memory())
        except WorkspaceError as error:
            return note("source", error.message, "each run sends its source to the engine as a tar")
        return ok("source", f"the engine sees {self.source}")

    def _layering(self, obstacle: str) -> Check:
        if not obstacle:
            return ok("workspaces", f"are layered ({self.driver})")
        return note(
            "workspaces",
            f"are copied, since the engine cannot layer volumes here ({self.driver}): {obstacle}",
            "that takes time and room; layers need a Linux engine, and volumes and source on disks such as ext4 or xfs",
        )


def _obstacle(volumes: Volumes, helpers: Helpers, run: str, source: tuple[str, ...]) -> str:
    """Mount an overlay without starting a container; return why it cannot be, empty if it can."""
    owner = Address(run)
    *below, upper, work = (volumes.plain(naming.volume(run, name), owner).path for name in _PLAIN)
    options = layers.writable([*below, *source], upper, work)
    if not layers.fits(options):  # a run copies such a source first
        options = layers.writable(below, upper, work)
    tree = volumes.overlay(naming.volume(run, "t"), owner, options)
    try:
        with helpers.container(run, (tree.mount(TO),)) as container:
            return _look(helpers, container)
    except EngineRefusedError as error:
        return f"the mount fails ({error.message.rpartition(': ')[2]})"  # before it stand all the paths


def _look(helpers: Helpers, container: str) -> str:
    try:
        return "" if helpers.stat(container, TO) else "the mount does not show"
    except EngineRefusedError:
        with helpers.get(container, TO):  # a refusal to look has no words, one to read has
            raise
