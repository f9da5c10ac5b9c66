"""Other runners of steps, as data: how each does the same work. They are only found on PATH, never installed.

docs/benchmarks.md tells how to install them. Where a runner has no steps of its own, each step is a job.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.bench.pipelines import (
    IMAGE,
    PRINT,
    STEPS,
    Document,
    beside,
    docker_prints,
    docker_runs,
    docker_runs_beside,
    sequence,
)
from tests.bench.running import runner


class Job(StrEnum):
    """The work that all do."""

    SEQUENTIAL = f"{STEPS} steps of true"
    PARALLEL = f"{STEPS} steps of true beside each other"
    LOG = "a step that prints 100 MB"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A runner: its command for each job that it can do, and the files it wants, in a git repository of its own."""

    name: str
    commands: Mapping[Job, tuple[str, ...]]
    files: Mapping[str, Document] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """What must be on PATH."""
        return next(iter(self.commands.values()))[0]


DOCKER = Peer(
    name="docker run",
    commands={
        Job.SEQUENTIAL: docker_runs(STEPS, "true"),
        Job.PARALLEL: docker_runs_beside(STEPS, "true", STEPS),
        Job.LOG: docker_prints(),
    },
)

_STAGED = "sequential.yml"
_BESIDE = "parallel.yml"
_LOG = "log.yml"
_FILES = {Job.SEQUENTIAL: _STAGED, Job.PARALLEL: _BESIDE, Job.LOG: _LOG}
_PIPEFAIL = f"{PRINT} || true"
"""Some runners run scripts with pipefail, where ``yes | head`` fails."""


def _commands(make: Callable[[str], tuple[str, ...]]) -> Mapping[Job, tuple[str, ...]]:
    return {job: make(name) for job, name in _FILES.items()}


def _act() -> Peer:
    """A step of an image of its own is ``uses: docker://``, beside a container of the job; else a step is a job."""
    single = {"uses": f"docker://{IMAGE}", "with": {"args": "true"}}

    def jobs(count: int, step: Document, copies: int = 1) -> Document:
        job = {"runs-on": "local", "steps": [step] * copies}
        return {"on": "push", "jobs": {f"job{number}": job for number in range(count)}}

    return Peer(
        name="act",
        commands=_commands(
            lambda name: (
                "act",
                "push",
                "--workflows",
                name,
                "--pull=false",
                "--platform",
                f"local={IMAGE}",
                "--container-daemon-socket",
                "-",
                "--no-cache-server",
                "--rm",
                "--concurrent-jobs",
                str(STEPS),
            )
        ),
        files={
            _STAGED: jobs(1, single, STEPS),
            _BESIDE: jobs(STEPS, {"run": "true", "shell": "sh"}),
            _LOG: jobs(1, {"run": PRINT, "shell": "sh"}),
        },
    )


def _gitlab_files() -> Mapping[str, Document]:
    """A step is a job; jobs of a stage run beside each other."""

    def pipeline(stages: Sequence[str], script: str) -> Document:
        jobs = {f"job{number}": {"stage": stage, "script": [script]} for number, stage in enumerate(stages)}
        return {"stages": list(dict.fromkeys(stages)), "default": {"image": IMAGE}, **jobs}

    return {
        _STAGED: pipeline([f"stage{number}" for number in range(STEPS)], "true"),
        _BESIDE: pipeline(["stage"] * STEPS, "true"),
        _LOG: pipeline(["stage"], _PIPEFAIL),
    }


def _gitlab_ci_local() -> Peer:
    """It copies the files of the project with a helper, for which any image with a shell and ``cp`` does."""
    return Peer(
        name="gitlab-ci-local",
        commands=_commands(
            lambda name: (
                "gitlab-ci-local",
                "--file",
                name,
                "--pull-policy",
                "if-not-present",
                "--helper-image",
                IMAGE,
                "--concurrency",
                str(STEPS),
            )
        ),
        files=_gitlab_files(),
    )


def _gitlabci_local() -> Peer:
    """It runs one job after the other, so there is nothing to compare beside each other."""
    each = ("gcil", "--privileged", "false", "-p", "-c")
    return Peer(
        name="gitlabci-local",
        commands={Job.SEQUENTIAL: (*each, _STAGED), Job.LOG: (*each, _LOG)},
        files=_gitlab_files(),
    )


def _woodpecker() -> Peer:
    """Steps are one after the other until one has ``depends_on``."""

    def workflow(count: int, command: str, **more: object) -> Document:
        step = {"image": IMAGE, "commands": [command], **more}
        return {"skip_clone": True, "steps": [{"name": f"step{number}", **step} for number in range(count)]}

    return Peer(
        name="woodpecker",
        commands=_commands(lambda name: ("woodpecker-cli", "exec", name)),
        files={
            _STAGED: workflow(STEPS, "true"),
            _BESIDE: workflow(STEPS, "true", depends_on=[]),
            _LOG: workflow(1, PRINT),
        },
    )


def _drone() -> Peer:
    """Steps are beside each other only where one waits for another: so the last waits for the first."""

    def pipeline(count: int, command: str, *, graph: bool = False) -> Document:
        step = {"image": IMAGE, "pull": "never", "commands": [command]}
        steps: list[dict[str, object]] = [{"name": f"step{number}", **step} for number in range(count)]
        if graph:
            steps[-1]["depends_on"] = ["step0"]
        return {"kind": "pipeline", "type": "docker", "name": "bench", "clone": {"disable": True}, "steps": steps}

    return Peer(
        name="drone",
        commands=_commands(lambda name: ("drone", "exec", name)),
        files={
            _STAGED: pipeline(STEPS, "true"),
            _BESIDE: pipeline(STEPS, "true", graph=True),
            _LOG: pipeline(1, PRINT),
        },
    )


OURS = Peer(
    name="runner",
    commands=_commands(lambda name: runner("exec", "--max-parallel", str(STEPS), name)),
    files={_STAGED: sequence(STEPS, "true"), _BESIDE: beside(STEPS, 1, "true"), _LOG: sequence(1, PRINT)},
)

PEERS = (_act(), _gitlab_ci_local(), _gitlabci_local(), _woodpecker(), _drone())


def found() -> list[Peer]:
    """Return those that are on PATH."""
    return [peer for peer in PEERS if shutil.which(peer.program)]
