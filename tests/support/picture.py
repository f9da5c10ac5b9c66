"""The picture of a run on a terminal that the README shows."""

import re
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from runner.cli.live.log import Log
from runner.cli.live.model import Model
from runner.cli.live.render import frame
from runner.cli.live.words import Signs
from runner.engine.backend import PullProgress
from runner.engine.events import Event, Pulling
from runner.plan.status import Status
from tests.support.faces import address, block, changed, service
from tests.support.plans import plan, stage, step
from tests.support.plans import service as a_service

PICTURE = Path(__file__).parents[2] / "docs" / "live.svg"
_COLUMNS, _ROWS = 96, 40
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)

_PLAN = plan(
    stage("build", step("compile"), step("test", retry=1), step("package")),
    stage("lint", step("style"), step("types")),
    stage("docs", step("render")),
    stage("image", step("push"), needs=("build", "lint")),
    stage("deploy", step("apply"), needs=("image",)),
    services=(a_service("db"),),
)
_EVENTS: tuple[Event, ...] = (
    changed(address(), Status.RUNNING, at=0.0),
    changed(service("db"), Status.RUNNING, at=1.0),
    changed(address("docs"), Status.RUNNING, at=1.2),
    changed(address("docs/render"), Status.RUNNING, at=1.2),
    changed(address("docs/render"), Status.SUCCESS, at=5.9),
    changed(address("docs"), Status.SUCCESS, at=6.0),
    changed(address("build"), Status.RUNNING, at=1.2),
    changed(address("build/compile"), Status.RUNNING, at=1.2),
    changed(address("build/compile"), Status.SUCCESS, at=32.6),
    changed(address("build/test"), Status.RUNNING, at=32.7),
    changed(address("build/test"), Status.FAILURE, at=51.0, exit_code=1),
    changed(address("build/test", attempts=(1, 2)), Status.RUNNING, at=51.1),
    changed(address("lint"), Status.RUNNING, at=1.2),
    changed(address("lint/style"), Status.RUNNING, at=1.2),
    changed(address("lint/style"), Status.FAILURE, at=9.4, exit_code=1),
    changed(address("lint/types"), Status.SKIPPED, at=9.4, reason="the status is 'failure'"),
    changed(address("lint"), Status.FAILURE, at=9.5, reason="step style: exit code 1"),
    Pulling(
        PullProgress(image="docker.io/library/registry:2", text="Downloading", current=9_100_000, total=25_400_000)
    ),
)
_PRINTED = (
    ("lint/style", "::group::Changed files\nsrc/app.py\nsrc/app_test.py\n::endgroup::\n"),
    ("lint/style", "src/app.py:12:1: \x1b[1;31mE302\x1b[0m expected 2 blank lines, found 1\n"),
    ("build/compile", "$ make all\ncc -O2 -c main.c\ncc -o app main.o\n"),
    ("build/test", "$ make test\n\x1b[32mok\x1b[0m   app/store   0.412s\n\x1b[32mok\x1b[0m   app/api     3.090s\n"),
)


def picture() -> str:
    """Return the picture as SVG; it fetches nothing from anywhere."""
    console = Console(record=True, width=_COLUMNS, file=StringIO(), color_system="truecolor", force_terminal=True)
    log, model = Log(_PLAN, Signs(), color=True), Model(_PLAN)
    for path, text in _PRINTED:
        printed = log.format(address(path), block(text.encode()))
        console.print(Text.from_ansi(printed.rstrip("\n")), soft_wrap=True, highlight=False)
    for event in _EVENTS:
        model.apply(event, 0.0)
    for line in frame(model.view(model_time(62.0)), Signs(), _COLUMNS, _ROWS):
        console.print(line, soft_wrap=True, highlight=False)
    return _FONT_FACE.sub("", console.export_svg(title="runner exec", unique_id="runner"))


def model_time(seconds: float) -> float:
    """Return the clock of a model that was told everything at 0, so many seconds after the start of the run."""
    return seconds - 51.1
