"""A run on the real engine, whose steps are scripts with the commands of ``pipelinectl``."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from docker import APIClient
from docker.errors import APIError

from runner.engine.specs import Release, RunSpec, Source, StageSpec, StepSpec
from runner.naming import Address, container, new_run_id
from runner.pipelinectl.layout import PROGRAMS
from runner.pipelinectl.values import Store
from tests.support.attempts import BUSYBOX, DEBIAN, Recorder, wait_for
from tests.support.backends import DockerPlace, docker_backend

ROOT, USER = "0", "1000:1000"
IMAGES = (BUSYBOX, DEBIAN)
PATIENCE = 100.0

_BEGIN = b"\n  -- it begins --\n"
_SAY_BEGIN = "set +e; printf '\\n  -- it %s --\\n' begins\n"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What came of a step. ``out`` and ``err`` are all that it printed itself."""

    code: int | None
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[str]:
        """The lines of standard output of a step that ended well, less those that tell of secrets."""
        assert self.code == 0, self
        lines = self.out.decode("utf-8", "surrogateescape").split("\n")[:-1]
        return [line for line in lines if not line.startswith("::add-mask::")]


@dataclass
class Stand:
    """An open run with a stage ``s``. ``named`` is as in ``RunSpec``; a ``reserved`` one has a spare sandbox before."""

    place: DockerPlace
    source: Source | None = None
    config: Mapping[PurePosixPath, bytes] = field(default_factory=dict)
    named: bool = True
    reserved: bool = False
    run: RunSpec = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        workdir = "/workspace"
        self.run = RunSpec(
            id=new_run_id(),
            home=workdir,
            workdir=workdir,
            source=self.source,
            config=self.config,
            named=self.named,
        )
        self.backend = self.place.client()
        if self.reserved:
            self.backend.reserve(self.run.id)
        self.backend.open_run(self.run)
        self.stage = self.open_stage("s")

    def open_stage(self, name: str) -> Address:
        """Open a stage in which root and an unprivileged user may write."""
        stage = Address(self.run.id, name)
        spec = StageSpec(address=stage, users=(ROOT, USER), images=IMAGES)
        self.backend.open_stage(spec, lambda _: None)
        return stage

    def begin(self, script: str, *, stage: Address | None = None, **fields: Any) -> "Step":  # noqa: ANN401 - of StepSpec
        """Start a script as a step; what is not said is busybox, and the image's user. ``set -e`` is off."""
        fields = {"image": BUSYBOX, "commands": (_SAY_BEGIN + script,)} | fields
        self._number += 1
        spec = StepSpec(address=replace(stage or self.stage, step=f"step {self._number}"), **fields)
        step = Step(self, spec)
        self.backend.prepare(spec)
        self.backend.follow(spec.address, step.recorder, step.recorder.wake)
        self.backend.release(spec.address, Release(environment=spec.environment))
        return step

    def step(self, script: str, **fields: Any) -> Ended:  # noqa: ANN401 - of `begin`
        """Run a script to its end."""
        return self.begin(script, **fields).end()

    def values(self) -> Store:
        """Return the values of the run."""
        return self.backend.values(self.run.id, wanted=lambda: True)


@dataclass
class Step:
    """A step that has been started."""

    stand: Stand
    spec: StepSpec
    recorder: Recorder = field(default_factory=Recorder)

    def end(self) -> Ended:
        """Wait for its end."""
        backend, recorder = self.stand.backend, self.recorder
        while (ending := backend.conclude(self.spec.address)) is None:
            assert recorder.woken.wait(PATIENCE), f"nothing woke us in {PATIENCE} seconds"
            recorder.woken.clear()
        backend.discard(self.spec.address)
        _, begun, out = recorder.out.partition(_BEGIN)
        return Ended(code=ending.exit_code, out=out if begun else recorder.out, err=recorder.err)

    def beside(self, script: str, user: str = ROOT, *, values: str = "", **host: Any) -> Ended:  # noqa: ANN401 - the SDK's
        """Run a script in a container with the same volumes, all of them read-only with ``values`` ``ro``.

        ``host`` are options of its host configuration.
        """
        with closing(APIClient()) as api:
            volumes = f"{container(self.spec.address)}:{values or 'rw'}"
            options = api.create_host_config(volumes_from=[volumes], network_mode="none", **host)
            path = {"PATH": f"{PROGRAMS}:/bin:/usr/bin"}
            command = ["sh", "-c", script]
            made = api.create_container(self.spec.image, command, user=user, environment=path, host_config=options)
            try:
                api.start(made)
                code = api.wait(made)["StatusCode"]
                out, err = (api.logs(made, stdout=way, stderr=not way) for way in (True, False))
            finally:
                api.remove_container(made, force=True)
        return Ended(code=code, out=out, err=err)


@contextmanager
def stand_with(**fields: Any) -> Iterator[Stand]:  # noqa: ANN401 - those of `Stand`
    """Open a run; fail if it leaves anything behind."""
    with docker_backend() as place:
        assert isinstance(place, DockerPlace)
        stand = Stand(place, **fields)
        try:
            yield stand
        finally:
            stand.backend.close_run(stand.run, keep=False)
        assert place.left(stand.run.id) == ()


@contextmanager
def image_of(api: APIClient, base: str, command: list[str], name: str, *changes: str) -> Iterator[str]:
    """Tag what an image becomes by a command and some changes, in the words of a Dockerfile; remove it afterwards."""
    container = api.create_container(base, command)["Id"]
    try:
        api.start(container)
        assert api.wait(container)["StatusCode"] == 0
        repository, _, tag = name.rpartition(":")
        api.commit(container, repository, tag, changes="\n".join(changes) or None)
    finally:
        api.remove_container(container)
    try:
        yield name
    finally:
        wait_for(lambda: _removed(api, name))  # a container of it may be on its way out


def _removed(api: APIClient, image: str) -> bool:
    try:
        api.remove_image(image)
    except APIError:
        return False
    return True
