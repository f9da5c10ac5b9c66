from collections.abc import Iterable

import pytest

from runner.cli.live.layout import SUMMARY_ROWS, PullRow, Row, ServiceRow, StageRow, StepRow, SumRow, fit, summary
from runner.cli.live.model import Part, StageView, View
from runner.engine.backend import PullProgress
from runner.plan.status import Status


def _stage(name: str, status: Status, *steps: Status) -> StageView:
    parts = tuple(Part(name=f"{name}{number}", status=each) for number, each in enumerate(steps))
    return StageView(part=Part(name=name, status=status), steps=parts)


def _view(*stages: StageView, services: Iterable[str] = (), pulls: Iterable[str] = ()) -> View:
    return View(
        run=Part(name="0badcafe", status=Status.RUNNING),
        stages=stages,
        services=tuple(Part(name=name, status=Status.RUNNING) for name in services),
        pulls=tuple(PullProgress(image=image, text="") for image in pulls),
        now=0.0,
    )


def _names(rows: Iterable[Row]) -> list[str]:
    """Name rows: stages as they are called, steps indented, sums as how many they stand for."""
    found = []
    for row in rows:
        match row:
            case StageRow(view):
                found.append(view.part.name)
            case StepRow(part):
                found.append(f"  {part.name}")
            case ServiceRow(parts):
                found.append("+".join(part.name for part in parts))
            case SumRow(parts):
                found.append(f"({len(parts)})")
            case PullRow(pulls):
                found.append("|".join(pull.image for pull in pulls))
    return found


R, S, F, P = Status.RUNNING, Status.SUCCESS, Status.FAILURE, Status.PENDING
MIXED = _view(
    _stage("done", S, S, S),
    _stage("waits", P, P),
    _stage("runs", R, S, R, P),
    _stage("broken", F, S, F, Status.SKIPPED),
    services=("db", "cache"),
    pulls=("a", "b"),
)


def test_with_room_enough_what_needs_eyes_comes_first_and_is_open() -> None:
    assert _names(fit(MIXED, 20)) == [
        *("a", "b"),
        *("broken", "  broken0", "  broken1", "  broken2"),
        *("runs", "  runs0", "  runs1", "  runs2"),
        *("db", "cache", "waits", "done"),
    ]


@pytest.mark.parametrize(
    ("room", "last"),
    [
        (14, ["db", "cache", "waits", "done"]),
        (13, ["  runs0", "  runs1", "  runs2", "db", "cache", "(2)"]),
        (12, ["  runs0", "  runs1", "  runs2", "db+cache", "(2)"]),
        (11, ["  broken1", "runs", "  runs1", "db+cache", "(2)"]),
        (7, ["broken", "runs", "db+cache", "(2)"]),
    ],
)
def test_with_less_room_there_is_less_detail(room: int, last: list[str]) -> None:
    rows = _names(fit(MIXED, room))

    assert len(rows) <= room
    assert rows[-len(last) :] == last


@pytest.mark.parametrize("room", range(40))
@pytest.mark.parametrize("count", [0, 1, 30])
def test_there_are_never_more_rows_than_room(room: int, count: int) -> None:
    stages = [_stage(f"s{n}", (R, F, S, P)[n % 4], *[(R, F, S, P)[n % 4]] * 4) for n in range(count)]

    assert len(fit(_view(*stages, services=("db", "cache"), pulls="abcdefg"), room)) <= room


@pytest.mark.parametrize("room", range(4, 40))
def test_every_stage_is_in_a_row_or_counted_in_one(room: int) -> None:
    stages = [_stage(f"s{n}", (R, F, S, P)[n % 4], R) for n in range(30)]

    rows = fit(_view(*stages), room)

    single = [row for row in rows if isinstance(row, StageRow)]
    assert len(single) + sum(len(row.parts) for row in rows if isinstance(row, SumRow)) == 30


def test_when_even_single_rows_are_too_many_a_third_is_for_what_went_wrong() -> None:
    stages = [_stage(f"b{n}", F, F) for n in range(10)] + [_stage(f"r{n}", R, R) for n in range(10)]

    assert _names(fit(_view(*stages), 6)) == ["b0", "b1", "r0", "r1", "r2", "(15)"]


def test_images_without_rows_of_their_own_share_one() -> None:
    assert _names(fit(_view(pulls="abcdef"), 10)) == ["a", "b", "c|d|e|f"]


def test_a_stage_that_has_ended_stays_open_while_a_detached_step_of_it_runs() -> None:
    assert _names(fit(_view(_stage("image", S, R, S)), 10)) == ["image", "  image0", "  image1"]


def test_a_short_run_is_summed_up_whole_and_in_its_order() -> None:
    assert _names(summary(MIXED)) == [
        *("done", "  done0", "  done1"),
        *("waits", "  waits0"),
        *("runs", "  runs0", "  runs1", "  runs2"),
        *("broken", "  broken0", "  broken1", "  broken2"),
        *("db", "cache"),
    ]


def test_a_longer_run_is_summed_up_by_its_stages_and_by_the_steps_that_went_wrong() -> None:
    stages = [_stage(f"s{n}", F if n == 7 else S, S, S, F if n in (7, 9) else S) for n in range(30)]

    names = _names(summary(_view(*stages)))

    assert len(names) == 32
    assert [name for name in names if name.startswith(" ")] == ["  s72", "  s92"]
    assert names[names.index("  s92") - 1] == "s9"


def test_of_a_very_long_run_only_what_went_wrong_stays_and_the_rest_is_counted() -> None:
    stages = [_stage(f"s{n}", F if n == 7 else S, S, F if n == 7 else S) for n in range(SUMMARY_ROWS + 10)]

    assert _names(summary(_view(*stages, services=("db",)))) == ["s7", "  s71", "db", "(69)"]
