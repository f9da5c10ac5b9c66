import pytest
from rich.cells import cell_len

from runner.cli.live.model import Part, StageView, View
from runner.cli.live.render import epilogue, frame
from runner.cli.live.words import Signs
from runner.engine.backend import PullProgress
from runner.plan.status import Status

LONG = "a-very-long-name-of-a-stage-日本語-🚀-that-nobody-can-read-in-one-go-" * 3
SIGNS = Signs()


def _step(name: str = "step", status: Status = Status.RUNNING, **fields: float | str) -> Part:
    return Part(name=name, status=status, started=0.0, **fields)  # type: ignore[arg-type] # fields of `Part` by name


def _view(*stages: StageView, run: Status = Status.RUNNING, pulls: tuple[PullProgress, ...] = ()) -> View:
    part = Part(name="0badcafe", status=run, started=0.0)
    return View(run=part, stages=stages, services=(), pulls=pulls, now=61.0)


def _frame(view: View, width: int = 80, height: int = 24) -> list[str]:
    return [line.plain for line in frame(view, SIGNS, width, height)]


MANY = [
    StageView(part=_step(f"{LONG}{number}"), steps=tuple(_step(f"{LONG}{k}", reason=LONG) for k in range(3)))
    for number in range(30)
]
PULLS = tuple(PullProgress(image=f"{LONG}:{n}", text=LONG, current=10**n, total=10**12) for n in range(9))


@pytest.mark.parametrize("width", [1, 2, 3, 5, 10, 20, 40, 79, 80, 200])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_no_line_reaches_the_last_column(width: int, count: int) -> None:
    lines = _frame(_view(*MANY[:count], pulls=PULLS[:count]), width, 40)

    assert max(cell_len(line) for line in lines) <= max(1, width - 1)


@pytest.mark.parametrize(("height", "most"), [(1, 1), (2, 1), (3, 2), (4, 3), (6, 3), (7, 3), (24, 12), (60, 30)])
def test_the_region_takes_half_of_the_terminal_but_three_lines_if_there_are(height: int, most: int) -> None:
    assert len(_frame(_view(*MANY, pulls=PULLS), 80, height)) == most


def test_the_first_line_is_that_of_the_run() -> None:
    done = StageView(part=_step("a", Status.FAILURE), steps=(_step("x", Status.FAILURE), _step("y", Status.SKIPPED)))
    going = StageView(part=_step("b"), steps=(_step("x"),))

    head = _frame(_view(done, going))[0]

    assert head == "● run 0badcafe: running  1 m 01 s · 1 of 2 stages · 2 of 3 steps · 1 failed"


def test_of_a_single_stage_only_the_steps_are_counted() -> None:
    head = _frame(_view(StageView(part=_step("steps"), steps=(_step("x"), _step("y", Status.SUCCESS)))))[0]

    assert head.endswith("1 m 01 s · 1 of 2 steps")


def test_before_the_run_has_a_name_it_is_starting() -> None:
    view = View(run=Part(name=""), stages=(), services=(), pulls=(), now=0.0)

    assert _frame(view) == ["○ starting · 0 of 0 steps"]


def test_names_stand_in_a_column_and_times_in_another() -> None:
    steps = (_step("short", Status.SUCCESS, seconds=1.25), _step("much longer", exit_code=3))

    lines = _frame(_view(StageView(part=_step("build"), steps=steps)))[1:]

    assert lines == [
        "● build          1 m 01 s  1 of 2 steps",
        "  ✓ short           1.2 s",
        "  ● much longer  1 m 01 s",
    ]


def test_a_pull_shows_a_bar_and_its_bytes() -> None:
    pull = PullProgress(image="docker.io/library/golang:1.24", text="Downloading", current=25, total=100)

    line = _frame(_view(pulls=(pull,)))[1]

    assert line == "↓ golang:1.24 ━━────────  25 B of 100 B         Downloading"


def test_a_pull_of_unknown_size_shows_its_words() -> None:
    pull = PullProgress(image="golang:1.24", text="asking the registry")

    assert _frame(_view(pulls=(pull,)))[1] == "↓ golang:1.24 asking the registry"


@pytest.mark.parametrize(("width", "cells"), [(80, 10), (200, 30)])
def test_a_bar_is_never_more_than_full(width: int, cells: int) -> None:
    pull = PullProgress(image="x", text="Extracting", current=300, total=100)

    assert _frame(_view(pulls=(pull,)), width)[1].count("━") == cells


def test_stages_without_rows_are_counted_by_how_they_stand() -> None:
    kinds = (Status.SUCCESS, Status.PENDING, Status.SKIPPED, Status.CANCELLED, Status.NOT_RUN)
    stages = [StageView(part=_step(f"{kind}{number}", kind), steps=()) for kind in kinds for number in range(5)]

    dash = SIGNS.passed
    assert _frame(_view(*stages), 80, 6)[-1] == f"✓ 5 done · ○ 5 waiting · {dash} 5 skipped · {dash} 10 not run"


def test_at_the_end_reasons_are_told_in_full() -> None:
    reason = "because " * 40
    broken = StageView(part=_step("a", Status.ERROR), steps=(_step("x", Status.ERROR, reason=reason, seconds=1.0),))

    lines = [line.plain for line in epilogue(_view(broken, run=Status.ERROR), SIGNS, 80)]

    assert lines[1].endswith(f"error: {reason.rstrip()}")


def test_with_signs_of_ascii_a_frame_is_ascii() -> None:
    stages = [StageView(part=Part(name="x" * 90, status=status), steps=(_step("y"),)) for status in Status]
    pulls = (PullProgress(image="x" * 90, text="y" * 90, current=1, total=2),)

    lines = frame(_view(*stages, pulls=pulls), Signs.of("ascii"), 80, 60)

    assert all(line.plain.isascii() for line in lines)
