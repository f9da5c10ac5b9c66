"""What a backend is told: of a run, of a stage, of one attempt of a step."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from runner.naming import Address
from runner.plan.model import Bind, Cache, Limits, Ulimit, Workspace
from runner.records import record


class SourceMode(StrEnum):
    """How the user's tree becomes the source of a run."""

    LAYER = "layer"  # the lowest layer, taken as it stands and never written
    SNAPSHOT = "snapshot"  # copied first, so that it may be edited during the run
    BIND = "bind"  # mounted read-write into every stage


@record
class Source:
    """The tree that a run works on: a directory of this machine.

    ``only`` are the paths below it that a snapshot takes, a directory without what it holds and before it; None takes
    all. What of them is gone by then is left out.
    """

    path: Path
    mode: SourceMode = SourceMode.LAYER
    only: tuple[bytes, ...] | None = None

    def __post_init__(self) -> None:
        if self.only is not None and self.mode is not SourceMode.SNAPSHOT:
            raise ValueError(f"a source of some files only must be a snapshot, not {self.mode}")


@record
class Placed:
    """A further tree that a run works on: a directory of this machine, seen at ``target``, at or below the home.

    It is a layer, taken as it stands and never written.
    """

    path: Path
    target: str


@record
class RunSpec:
    """What a run needs before its first stage. ``home``, ``workdir`` and ``outputs`` are those of the plan.

    ``source`` is seen at the workdir, those ``beside`` it elsewhere.

    ``values`` are the first files of the store, ``config`` those of the configuration, by their paths; what they are is
    said in ``pipelinectl.layout``. Steps see no configuration where there is none. With ``named`` something of the run
    is reached by its name: a service, or a detached step. ``begun`` says that a driver may have started some of it.

    ``left`` are the first files of the outputs, ``returned`` those of the returns, and ``files`` is an archive of
    ``Backend.save_files``, of more first files of the store: what an earlier run has left for this one. A run that is
    opened again keeps what it has by then.
    """

    id: str
    home: str
    workdir: str
    source: Source | None = None
    beside: tuple[Placed, ...] = ()
    outputs: str = ""
    values: Mapping[str, bytes] = field(default_factory=dict)
    config: Mapping[PurePosixPath, bytes] = field(default_factory=dict, repr=False)
    left: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    returned: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    files: Path | None = None
    named: bool = True
    begun: bool = True

    @property
    def address(self) -> Address:
        """The address of the run."""
        return Address(self.id)


@record
class Gathered:
    """What one branch of a fork has changed, as a stage behind the fork sees it: below ``path``, from the workdir.

    ``layers`` are the final rounds of the branch's stages, lowest first.
    """

    path: str
    layers: tuple[Address, ...]


@record
class StageSpec:
    """What a stage needs before its first step.

    ``layers`` are the final rounds of the stages whose files it sees, lowest first, each below its successors. Some may
    be those of another run, which was closed with ``keep``.
    ``beside`` are the pairs of layers neither of which stands on the other, the lower one first. ``users`` are the
    users and ``images`` the images of its steps: they decide who must be able to write.

    With the workspace ``SHARED`` the stage works in the one tree of the run that all such stages share, over the
    source and ``layers``, of which only a layer below all stages counts then; with ``NONE`` its steps see no tree.

    ``gathered`` is put into its own layer before its first step, so that those who stand on it see it, too: of what the
    branches have changed below the workdir, all that is there, not what they have deleted.
    """

    address: Address
    layers: tuple[Address, ...] = ()
    beside: tuple[tuple[Address, Address], ...] = ()
    users: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    workspace: Workspace = Workspace.OWN
    gathered: tuple[Gathered, ...] = ()


@record
class StepSpec:
    """What the container of one attempt is made from.

    A step with ``commands`` runs them as one script behind a gate, in the image's ``/bin/sh`` or in ``shell``. One with
    a ``script`` runs that behind the gate as a file, whose first line may name an interpreter (``#!``), else in
    ``/bin/sh`` as it is: not traced, and not ended by the first command that fails. Without both the image's own
    entrypoint and command run, or ``entrypoint``.

    ``alias`` asks for a container of its own on the run's network, reached by that name (services and detached steps);
    it joins its stage's sandbox otherwise. Without ``workspace`` (a service) it mounts none, and begins where its image
    says; so does one of ``ORIGINS``. ``working_dir`` is absolute, or below the run's workdir. ``environment`` here is
    what need not be secret: an engine shows it. ``defaults`` are variables that count where neither it nor the image
    sets them. With ``own_config`` it does not see the configuration of the run, but that of its ``Release``.
    """

    address: Address
    image: str
    commands: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    alias: str = ""
    workspace: bool = True
    shell: str = ""
    working_dir: str = ""
    limits: Limits = field(default_factory=Limits)
    ulimits: tuple[Ulimit, ...] = ()
    volumes: tuple[Bind, ...] = ()
    caches: tuple[Cache, ...] = ()
    privileged: bool = False
    script: str = ""
    own_config: bool = False


@record
class Release:
    """What an attempt learns only when it may start. ``environment`` may hold secrets, and so may ``config``.

    These are the files that an attempt with an ``own_config`` sees in place of the run's configuration. The ``last``
    is most likely followed by nothing else of its run: what it stands in may be taken down as soon as it has ended.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[PurePosixPath, bytes] = field(default_factory=dict, repr=False)
    last: bool = False
