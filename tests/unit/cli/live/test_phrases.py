import pytest

from runner.cli.live.model import Part, StageView
from runner.cli.live.phrases import of_part, of_stage, verdict
from runner.plan.status import Status


def _stage(status: Status, *steps: Part, reason: str = "", tries: int = 1) -> StageView:
    return StageView(part=Part(name="s", status=status, reason=reason, tries=tries, most=3), steps=steps)


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.RUNNING, Status.PENDING])
def test_what_goes_well_needs_no_words(status: Status) -> None:
    assert verdict(Part(name="x", status=status, exit_code=0, reason="made ready")) == []


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Part(name="x", status=Status.FAILURE, exit_code=3), "exit code 3"),
        (
            Part(name="x", status=Status.FAILURE, exit_code=137, reason="it was too big"),
            "exit code 137: it was too big",
        ),
        (Part(name="x", status=Status.FAILURE, reason="step a: exit code 3"), "failure: step a: exit code 3"),
        (Part(name="x", status=Status.TIMEOUT, exit_code=143, reason="too long"), "timeout: too long"),
        (Part(name="x", status=Status.LOST), "lost"),
        (Part(name="x", status=Status.SKIPPED, reason="the branch is main"), "skipped: the branch is main"),
        (Part(name="x", status=Status.NOT_RUN, reason="not started: no"), "not run: not started: no"),
        (Part(name="x", status=Status.CANCELLED, reason="it was cancelled"), "it was cancelled"),
        (Part(name="x", status=Status.CANCELLED), "cancelled"),
        (Part(name="x", status=Status.ERROR, reason="a\n\x1b[2Jb"), "error: a b"),
    ],
)
def test_what_ended_otherwise_says_how_and_why_in_one_line(part: Part, words: str) -> None:
    assert verdict(part) == [words]


def test_a_step_says_that_it_is_detached_and_tried_again() -> None:
    part = Part(name="x", status=Status.FAILURE, exit_code=1, tries=2, most=4, detached=True)

    assert of_part(part) == ["detached", "attempt 2 of 4", "exit code 1"]


def test_a_stage_that_runs_says_how_far_it_is_and_what_runs_when_that_has_no_row() -> None:
    steps = (
        Part(name="a", status=Status.SUCCESS),
        Part(name="side", status=Status.RUNNING, detached=True),
        Part(name="b", status=Status.RUNNING),
    )

    assert of_stage(_stage(Status.RUNNING, *steps), opened=False) == ["1 of 3 steps", "b"]
    assert of_stage(_stage(Status.RUNNING, *steps, tries=2), opened=True) == ["round 2 of 3", "1 of 3 steps"]


def test_a_stage_that_waits_says_for_what() -> None:
    view = StageView(part=Part(name="s"), steps=(), waits=("a", "b"))

    assert of_stage(view, opened=False) == ["waits for a, b"]
    assert of_stage(_stage(Status.PENDING), opened=False) == []


@pytest.mark.parametrize(("count", "words"), [(1, "1 step"), (2, "2 steps")])
def test_a_stage_that_went_well_counts_its_steps_when_they_have_no_rows(count: int, words: str) -> None:
    steps = [Part(name="a", status=Status.SUCCESS)] * count

    assert of_stage(_stage(Status.SUCCESS, *steps), opened=False) == [words]
    assert of_stage(_stage(Status.SUCCESS, *steps), opened=True) == []


def test_a_stage_does_not_repeat_what_the_row_of_its_step_says() -> None:
    failed = _stage(Status.FAILURE, Part(name="a", status=Status.FAILURE, exit_code=3), reason="step a: exit code 3")

    assert of_stage(failed, opened=True) == []
    assert of_stage(failed, opened=False) == ["failure: step a: exit code 3"]


def test_a_stage_whose_trouble_is_its_own_says_so_above_its_steps() -> None:
    broken = _stage(Status.ERROR, Part(name="a", status=Status.CANCELLED), reason="its sandbox died")

    assert of_stage(broken, opened=True) == ["error: its sandbox died"]
