"""The judge of crashes: it lets whole runs pass, and sees everything that must never be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from runner.engine.journal import Entry
from runner.engine.report import Report
from runner.naming import Address
from runner.plan.status import Status
from tests.support import survival
from tests.support.lives import Lives
from tests.support.remote import report, step_report

RUN, TOKEN = "0badcafe", "t1"
LINES = ("$ echo begun >>/proof/t1-a", "line 1", "line 2", "line 3")
WHOLE = (
    Entry(address=Address(RUN), status=Status.RUNNING, at=0),
    Entry(address=Address(RUN, "build", "a"), status=Status.RUNNING, at=1),
    Entry(address=Address(RUN, "build", "a"), status=Status.SUCCESS, at=2, exit_code=0),
    Entry(address=Address(RUN), status=Status.SUCCESS, at=3),
)


@dataclass
class Story:
    """What a daemon tells of a run with one step, and what there is of it."""

    proof: Path
    step: Any = field(default_factory=lambda: step_report("a"))
    status: str = "success"
    lines: Sequence[str] = LINES
    entries: Sequence[Entry] = WHOLE
    left: Sequence[str] = ()

    @property
    def client(self) -> "Story":
        return self

    def report(self, run: str) -> Report:
        return report(self.status, self.step)

    def log(self, run: str, stage: str, step: str) -> Iterator[bytes]:
        yield "".join(f"{line}\n" for line in self.lines).encode()

    def journal(self, run: str) -> Sequence[Entry]:
        return self.entries

    def objects(self) -> Sequence[str]:
        return self.left


@pytest.fixture
def story(tmp_path: Path) -> Story:
    (tmp_path / f"{TOKEN}-a").write_text("begun\n")
    return Story(tmp_path)


def complaints(story: Story, undisturbed: Story) -> list[str]:
    whole = survival.outcome(cast("Lives", undisturbed), RUN, TOKEN)
    return survival.complaints(cast("Lives", story), RUN, TOKEN, whole)


def test_a_run_as_it_is_without_a_crash_gives_no_cause_for_complaint(story: Story) -> None:
    assert complaints(story, story) == []


def test_what_others_have_on_the_engine_is_not_left_by_this_run(story: Story) -> None:
    assert complaints(replace(story, left=["feedbeef volume a"]), story) == []


def test_something_left_on_the_engine_is_seen(story: Story) -> None:
    assert complaints(replace(story, left=[f"{RUN} volume a"]), story) == [f"left: {RUN} volume a"]


@pytest.mark.parametrize("times", [0, 2])
def test_a_script_that_began_never_or_twice_is_seen(story: Story, times: int) -> None:
    (story.proof / f"{TOKEN}-a").write_text("begun\n" * times)

    assert complaints(story, story) == [f"the script of build/a began {times} times, it is success"]


@pytest.mark.parametrize(("path", "name"), [("build/a", "a"), ("each[2]/a", "a[2]"), ("in[0][1]/a", "a[0][1]")])
def test_the_script_of_a_branch_leaves_a_proof_of_its_own(path: str, name: str) -> None:
    assert survival._proof(path) == name


@pytest.mark.parametrize("lines", [LINES[:-1], (*LINES, LINES[-1]), (*LINES[:1], LINES[2], LINES[1], LINES[3])])
def test_a_line_that_is_missing_or_twice_or_out_of_order_is_seen(story: Story, lines: Sequence[str]) -> None:
    found = complaints(replace(story, lines=lines), story)

    assert len(found) == 1
    assert found[0].startswith("log of build/a")


def test_a_gap_that_says_so_is_no_loss(story: Story) -> None:
    assert complaints(replace(story, lines=(*LINES[:2], survival.GAP, LINES[3])), story) == []


def test_a_line_that_comes_again_after_a_gap_is_seen(story: Story) -> None:
    found = complaints(replace(story, lines=(*LINES[:2], survival.GAP, LINES[1])), story)

    assert [complaint[:26] for complaint in found] == ["log of build/a has a gap, "]


def test_another_outcome_is_seen(story: Story) -> None:
    other = replace(story, status="failure", step=step_report("a", "failure", exit_code=1))

    assert [complaint.partition(":")[0] for complaint in complaints(other, story)] == ["status", "statuses"]


def test_a_lost_step_is_told_once_and_nothing_that_follows_from_it(story: Story) -> None:
    lost = replace(story, status="lost", step=step_report("a", "lost", exit_code=None), lines=(*LINES, survival.GAP))

    assert complaints(lost, story) == ["the run says lost, steps are lost: ['build/a']"]


def test_a_fact_after_the_end_is_seen(story: Story) -> None:
    found = complaints(replace(story, entries=(*WHOLE, WHOLE[1])), story)

    assert "cannot become running" in found[0]


def test_what_never_ends_is_seen(story: Story) -> None:
    assert complaints(replace(story, entries=WHOLE[:-1]), story) == [f"{RUN} (1.1) is running for ever"]


def test_the_pipeline_marks_each_script_with_its_run() -> None:
    text = survival.pipeline("t7")

    assert [text.count(f"/proof/t7-{name}") for name in "abcdef"] == [1] * 6
