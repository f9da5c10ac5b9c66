"""``runner doctor``: is this machine fit to run pipelines?"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import typer

from runner.backends.docker.client import Engine
from runner.backends.docker.diagnosis import Check, diagnose
from runner.cli.console import say
from runner.errors import ExitCode
from runner.settings import Settings

_FLOOR = 2 * 1024**3
"""Free bytes below which a run is likely to fill the disk."""


def doctor_command() -> None:
    """Look at the engine and the disk, and say what is missing and what to do about it."""
    settings = Settings.read()
    ill = False
    for check in (*diagnose(Engine(), settings.docker), *_disk(settings.state), _subnets(settings)):
        say(f"{'ok  ' if check.well else 'BAD '} {check.name}: {check.found}")
        if not check.well:
            ill = True
            say(f"     {check.advice}")
    if ill:
        raise typer.Exit(ExitCode.INFRASTRUCTURE)


def _disk(state: Path) -> Iterator[Check]:
    place = next(path for path in (state, *state.parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GiB free at {place}"
    yield Check(name="disk", well=free >= _FLOOR, found=found, advice="logs and journals need room: free some")


def _subnets(settings: Settings) -> Check:
    docker = settings.docker
    count = 1 << max(0, docker.subnet_bits - docker.subnets.prefixlen)
    found = f"{docker.subnets}: room for {count} runs at a time"
    return Check(name="subnets", well=True, found=found)
