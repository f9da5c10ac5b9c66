"""Containers that stand at their gates while the step before them runs: found on the engine, and looked at."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import ImageNotFound

from runner.naming import LABEL_RUN, LABEL_STAGE, LABEL_STEP
from tests.support.attempts import BUSYBOX
from tests.support.cli import Place
from tests.support.offspring import until

HOLD = ("echo ready", "until [ -e /go ]; do sleep 0.05; done")
"""Commands of a step that goes on when it is told to."""


@dataclass(frozen=True)
class Mode:
    """Whether containers are started before their turn."""

    ahead: bool

    @property
    def environment(self) -> dict[str, str]:
        """What makes ``runner`` do so."""
        return {"RUNNER_PRESTART": "true" if self.ahead else "false"}

    def __str__(self) -> str:
        return "ahead" if self.ahead else "in-turn"


MODES = (Mode(ahead=True), Mode(ahead=False))

_SUM = re.compile(r"^(Pss|Private_Clean|Private_Dirty): +(\d+) kB$", re.MULTILINE)


def step(name: str, *commands: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any keys of a step
    """Return a step, of busybox if nothing else is said."""
    return {"name": name, "image": BUSYBOX, **({"commands": [*commands]} if commands else {}), **fields}


def write(place: Place, **stages: list[dict[str, Any]] | dict[str, Any]) -> None:
    """Write a pipeline whose stages do not mind each other: each its steps, or with more keys."""
    found = {
        name.replace("_", " "): {"independent": True, **(of if isinstance(of, dict) else {"steps": of})}
        for name, of in stages.items()
    }
    place.write(json.dumps({"version": "1", "stages": found}))


@contextmanager
def images(dockerfiles: Mapping[str, str]) -> Iterator[None]:
    """Build images, and remove them afterwards, also those whose names others have by then."""
    made: set[str] = set()
    with closing(APIClient()) as api:
        try:
            for name, text in dockerfiles.items():
                build = ["docker", "build", "-q", "-t", name, "-"]
                done = subprocess.run(build, input=text, text=True, check=True, capture_output=True)
                made.add(done.stdout.strip())
            yield
        finally:
            for name in dockerfiles:
                with suppress(ImageNotFound):
                    api.remove_image(name, force=True)
            # Not those that still have a name: a base that nothing was added to is somebody else's.
            for image in made.intersection(api.images(quiet=True, filters={"dangling": True})):
                api.remove_image(image, force=True)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What processes take: kB of memory, shared pages in part (``pss``) and their own (``private``); ticks of CPU."""

    pss: int
    private: int
    ticks: int


class Gates:
    """The steps of one run as the engine has them."""

    def __init__(self, api: APIClient, run: str) -> None:
        self.api = api
        self.run = run

    def made(self, stage: str, name: str, *, running: bool = False) -> str:
        """Return the container of a step, whatever it does or one that is ``running``; empty when there is none."""
        labels = [f"{LABEL_RUN}={self.run}", f"{LABEL_STAGE}={stage}", f"{LABEL_STEP}={name}"]
        found = self.api.containers(all=not running, filters={"label": labels})
        return str(found[0]["Id"]) if found else ""

    def stands(self, stage: str, name: str) -> str:
        """Wait until the container of a step runs; return it."""
        return str(until(lambda: self.made(stage, name, running=True), f"{stage}/{name}"))

    def holds(self, stage: str, name: str) -> None:
        """Wait until a step that holds has come so far."""
        container = self.stands(stage, name)
        until(lambda: "sleep" in str(self.api.top(container)["Processes"]), f"the hold of {stage}/{name}")

    def go(self, stage: str, name: str) -> None:
        """Let a step go on that holds."""
        self.api.exec_start(self.api.exec_create(self.stands(stage, name), ["touch", "/go"])["Id"])

    def cost(self, container: str, seconds: float) -> Cost:
        """Return what the processes of a container take; the ticks in so many seconds."""
        processes = [row[0] for row in self.api.top(container, "-o pid")["Processes"]]
        before = sum(map(_ticks, processes))
        time.sleep(seconds)
        sums = [
            (kind, int(size))
            for process in processes
            for kind, size in _SUM.findall(Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii"))
        ]
        return Cost(
            pss=sum(size for kind, size in sums if kind == "Pss"),
            private=sum(size for kind, size in sums if kind != "Pss"),
            ticks=sum(map(_ticks, processes)) - before,
        )


def _ticks(process: str) -> int:
    """Return how many ticks of CPU a process has had, in user mode and in the kernel (proc(5))."""
    after_name = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


@contextmanager
def gates_of(run: str) -> Iterator[Gates]:
    """Look at a run."""
    with closing(APIClient()) as api:
        yield Gates(api, run)


def begun(place: Place) -> str:
    """Return the run that the last command has just begun, the only one of its place."""
    command = place.started[-1]
    until(lambda: place.runs or command.process.poll() is not None, "a run")
    assert place.runs, command.text
    return place.runs[0].name


def made_ready(place: Place) -> bool:
    """Whether any step of the only run of a place was made ready before its turn, as its journal has it."""
    return '"made ready"' in (place.runs[0] / "journal.jsonl").read_text(encoding="utf-8")


@contextmanager
def idle_shell(api: APIClient) -> Iterator[str]:
    """Yield a container in which a shell waits for a line, as anybody would start one."""
    config = api.create_host_config(init=True, network_mode="none")
    container = api.create_container(BUSYBOX, ["sh", "-c", "read line"], stdin_open=True, host_config=config)["Id"]
    try:
        api.start(container)
        yield str(container)
    finally:
        api.remove_container(container, force=True)
