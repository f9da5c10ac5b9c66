"""The runs of the daemon, in both databases."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from runner.engine.events import Notice
from runner.engine.job import Task
from runner.engine.journal import Entry
from runner.errors import ConflictError, NotFoundError, StoreError, SupersededError, TransitionError
from runner.naming import Address
from runner.plan.status import Status
from runner.store.sql.database import Database
from runner.store.sql.journal import SqlJournal
from runner.store.sql.runs import Kept, NewRun, Ordered, Runs, Waiting
from runner.store.sql.tables import Cancel
from tests.support import databases
from tests.support.databases import KINDS
from tests.support.days import NOW, Day

HOUR = timedelta(hours=1)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with databases.database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def clock() -> Day:
    return Day()


@pytest.fixture
def runs(database: Database, clock: Day) -> Runs:
    return Runs(database, clock)


def _new(run: str, **others: Any) -> NewRun:  # noqa: ANN401 - of any field
    return replace(NewRun(id=run, ordered="{}"), **others)


def _entry(run: str, status: Status, stage: str = "", reason: str = "") -> Entry:
    return Entry(address=Address(run, stage), status=status, at=1.5, reason=reason)


@pytest.fixture
def enter(database: Database, clock: Day) -> "Enter":
    return Enter(database, clock)


class Enter:
    """Lets runs enter statuses, as their drivers do."""

    def __init__(self, database: Database, clock: Day) -> None:
        self._database = database
        self._clock = clock

    def __call__(self, run: str, *statuses: Status, reason: str = "") -> None:
        writer = SqlJournal(self._database, run, self._clock).take()
        for status in statuses:
            writer.append(_entry(run, status, reason=reason))


def test_a_new_run_waits_and_comes_back_as_it_was_given(runs: Runs) -> None:
    new = NewRun(
        id="a",
        ordered='{"plan": "\\u0000"}',
        sealed=b"\0\xff",
        pipeline="org/app",
        queue="big",
        priority=-3,
        origin="older",
        parent="caller",
        child="check",
    )

    record = runs.add(new)

    assert record == runs.get("a")
    given = ("id", "pipeline", "queue", "priority", "origin", "parent", "child")
    assert [getattr(record, name) for name in given] == [getattr(new, name) for name in given]
    assert runs.order_of("a") == Ordered(ordered=new.ordered, sealed=new.sealed)
    assert (record.number, record.status, record.epoch, record.created) == (1, Status.PENDING, 0, NOW)
    assert (record.cancel, record.reason, runs.result_of("a")) == (Cancel.NOT, "", "")
    assert (record.started, record.ended, record.kept_until) == (None, None, None)


def test_text_that_databases_refuse_comes_back_as_it_was(runs: Runs) -> None:
    text = 'NUL \0, half a pair \udc80, the mark itself \x1a and "\x1a0041", é, 日本, 𝄞'

    runs.add(_new("a", ordered=text, pipeline=text, queue=text))

    record = runs.get("a")
    assert (runs.order_of("a").ordered, record.pipeline, record.queue) == (text, text, text)
    assert runs.find(pipeline=text) == (record,)


def test_numbers_grow_and_are_not_given_twice(runs: Runs, enter: Enter) -> None:
    for name in "abc":
        runs.add(_new(name))
    enter("c", Status.SUCCESS)
    assert runs.forget(beyond=0) == ("c",)

    assert runs.add(_new("d")).number == 4


def test_an_id_is_given_once(runs: Runs) -> None:
    runs.add(_new("a", queue="first"))

    with pytest.raises(ConflictError, match="there is a run a already"):
        runs.add(_new("a", queue="second"), [_entry("a", Status.SUCCESS, "build")])

    assert runs.get("a").queue == "first"
    assert len(runs.find()) == 1


def test_what_may_be_large_is_read_only_where_it_is_asked_for(runs: Runs, database: Database) -> None:
    runs.add(_new("a"))
    runs.set_result("a", "{}")
    asked: list[str] = []

    @event.listens_for(database._engine, "before_cursor_execute")
    def note(*call: Any) -> None:  # noqa: ANN401 - of the cursor, which is asked for nothing here
        asked.append(call[2])

    runs.get("a")
    runs.find()
    runs.tell("a", 0.0, Notice("text"))
    runs.ask_cancel("a")
    unasked = list(asked)
    runs.order_of("a")
    runs.result_of("a")

    assert not [text for text in unasked if re.search(r"\b(ordered|sealed|result)\b", text)]
    assert len([text for text in asked if re.search(r"\b(ordered|sealed|result)\b", text)]) == 2


@pytest.mark.parametrize("ask", ["get", "order_of", "result_of", "ask_cancel", "release"])
def test_a_run_that_is_not_there_is_named(runs: Runs, ask: str) -> None:
    with pytest.raises(NotFoundError, match="there is no run gone"):
        getattr(runs, ask)("gone")


def test_nothing_can_be_told_of_or_written_for_a_run_that_is_not_there(runs: Runs, database: Database) -> None:
    with pytest.raises(NotFoundError):
        runs.tell("gone", 0.0, Notice("text"))
    with pytest.raises(NotFoundError):
        runs.set_result("gone", "{}")
    with pytest.raises(NotFoundError):
        runs.keep("gone", NOW)
    with pytest.raises(NotFoundError):
        SqlJournal(database, "gone").take()


def test_runs_are_found_newest_first_and_page_by_page(runs: Runs) -> None:
    for name in "abcde":
        runs.add(_new(name))

    first = runs.find(limit=2)
    second = runs.find(limit=2, before=first[-1].number)
    last = runs.find(limit=2, before=second[-1].number)

    assert [[run.id for run in page] for page in (first, second, last)] == [["e", "d"], ["c", "b"], ["a"]]


def test_runs_are_found_by_pipeline_and_status(runs: Runs, enter: Enter) -> None:
    for name, pipeline in (("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")):
        runs.add(_new(name, pipeline=pipeline))
    enter("a", Status.FAILURE)
    enter("b", Status.FAILURE)
    enter("c", Status.RUNNING)

    assert [run.id for run in runs.find(pipeline="x")] == ["d", "c", "a"]
    assert [run.id for run in runs.find(statuses=[Status.FAILURE])] == ["b", "a"]
    assert [run.id for run in runs.find(pipeline="x", statuses={Status.FAILURE, Status.PENDING})] == ["d", "a"]
    assert runs.find(pipeline="z") == ()


def test_those_that_wait_come_by_priority_and_then_as_they_were_submitted(runs: Runs, enter: Enter) -> None:
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1), ("f", 9)):
        runs.add(_new(name, priority=priority, queue="q", pipeline="p"))
    enter("f", Status.RUNNING)

    assert [run.id for run in runs.waiting(10)] == ["b", "d", "a", "c", "e"]
    assert runs.waiting(1) == (Waiting(id="b", queue="q", priority=5, pipeline="p", number=2),)


def test_of_each_queue_and_pipeline_only_the_first_that_wait_are_looked_at(runs: Runs) -> None:
    for number in range(4):
        for queue, pipeline in (("q", "p"), ("q", "other"), ("big", "p")):
            runs.add(_new(f"{queue}-{pipeline}-{number}", queue=queue, pipeline=pipeline, priority=number // 2))

    found = [run.id for run in runs.waiting(2)]

    assert found == ["q-p-2", "q-other-2", "big-p-2", "q-p-3", "q-other-3", "big-p-3"]


def test_what_is_cancelled_while_it_waits_is_looked_at_wherever_it_stands(runs: Runs) -> None:
    for name in "abc":
        runs.add(_new(name))
    runs.ask_cancel("c", forced=True)

    assert [(run.id, run.cancelled) for run in runs.waiting(1)] == [("a", False), ("c", True)]


def test_a_paused_run_waits_for_its_end_once_it_is_cancelled(runs: Runs, enter: Enter) -> None:
    for name in "abc":
        runs.add(_new(name))
    enter("a", Status.RUNNING, Status.PAUSED)
    enter("b", Status.RUNNING)
    before = runs.waiting(1)

    assert runs.ask_cancel("a") == ("a",)
    runs.ask_cancel("b")

    assert [run.id for run in before] == ["c"]
    assert [(run.id, run.cancelled) for run in runs.waiting(2)] == [("a", True), ("c", False)]


def test_runs_are_paused_until_they_go_on_or_end(runs: Runs, enter: Enter) -> None:
    for name in "abcd":
        runs.add(_new(name))
    for name in "cba":
        enter(name, Status.RUNNING, Status.PAUSED)
    enter("d", Status.RUNNING)

    before = runs.paused()
    enter("b", Status.RUNNING)
    enter("c", Status.CANCELLED)

    assert (before, runs.paused()) == (("a", "b", "c"), ("a",))


def test_the_reason_of_a_pause_is_in_the_row_until_it_goes_on(runs: Runs, enter: Enter) -> None:
    runs.add(_new("a"))
    enter("a", Status.RUNNING)
    enter("a", Status.PAUSED, reason="stage A: approval")
    paused = runs.get("a")
    enter("a", Status.RUNNING)

    assert (paused.status, paused.reason, paused.ended) == (Status.PAUSED, "stage A: approval", None)
    assert (runs.get("a").status, runs.get("a").reason) == (Status.RUNNING, "")


def test_those_that_have_begun_are_running_not_paused_and_not_ended(runs: Runs, enter: Enter) -> None:
    for name in "abcde":
        runs.add(_new(name, queue="q", pipeline="p"))
    enter("d", Status.RUNNING)
    enter("b", Status.RUNNING)
    enter("c", Status.RUNNING, Status.PAUSED)
    enter("e", Status.RUNNING, Status.SUCCESS)

    assert [run.id for run in runs.begun()] == ["b", "d"]
    assert runs.begun()[0] == Waiting(id="b", queue="q", priority=0, pipeline="p", number=2)
    assert [runs.count(status) for status in (Status.PENDING, Status.RUNNING, Status.PAUSED)] == [1, 2, 1]


def test_what_a_run_enters_is_in_its_row_with_the_reason_and_the_times(runs: Runs, enter: Enter, clock: Day) -> None:
    runs.add(_new("a"))
    clock.time = NOW + HOUR
    enter("a", Status.RUNNING)

    begun = runs.get("a")
    clock.time = NOW + 2 * HOUR
    enter("a", Status.ERROR, reason="no engine answers")
    ended = runs.get("a")

    assert (begun.status, begun.started, begun.ended) == (Status.RUNNING, NOW + HOUR, None)
    assert (ended.status, ended.started, ended.ended) == (Status.ERROR, NOW + HOUR, NOW + 2 * HOUR)
    assert ended.reason == "no engine answers"
    assert ended.epoch == 2


def test_what_a_stage_enters_is_not_in_the_row_of_its_run(runs: Runs, database: Database) -> None:
    runs.add(_new("a"))

    SqlJournal(database, "a").take().append(_entry("a", Status.FAILURE, "build"))

    assert runs.get("a").status is Status.PENDING


def test_a_run_that_goes_on_after_a_pause_began_when_it_began(runs: Runs, enter: Enter, clock: Day) -> None:
    runs.add(_new("a"))
    enter("a", Status.RUNNING, Status.PAUSED)
    clock.time += HOUR

    enter("a", Status.RUNNING)

    assert runs.get("a").started == NOW


def test_a_run_ends_no_sooner_than_it_began_whatever_the_clock_says(runs: Runs, enter: Enter, clock: Day) -> None:
    runs.add(_new("a"))
    enter("a", Status.RUNNING)
    clock.time = NOW - HOUR

    enter("a", Status.SUCCESS)

    assert (runs.get("a").started, runs.get("a").ended) == (NOW, NOW)


def test_a_run_that_never_began_has_an_end_only(runs: Runs, enter: Enter) -> None:
    runs.add(_new("a"))

    enter("a", Status.CANCELLED)

    assert (runs.get("a").started, runs.get("a").ended) == (None, NOW)


def test_a_driver_that_is_replaced_changes_nothing_in_the_row(runs: Runs, database: Database) -> None:
    runs.add(_new("a"))
    old = SqlJournal(database, "a").take()
    SqlJournal(database, "a").take()

    with pytest.raises(SupersededError):
        old.append(_entry("a", Status.FAILURE))

    assert runs.get("a").status is Status.PENDING


def test_inherited_entries_are_facts_of_the_new_run(runs: Runs, database: Database) -> None:
    inherited = [_entry("a", Status.SUCCESS, "build"), _entry("a", Status.SUCCESS, "test")]
    runs.add(_new("a"), inherited)

    writer = SqlJournal(database, "a").take()
    with pytest.raises(TransitionError):
        writer.append(_entry("a", Status.RUNNING, "build"))
    writer.append(_entry("a", Status.RUNNING, "deploy"))

    assert SqlJournal(database, "a").read() == (*inherited, _entry("a", Status.RUNNING, "deploy"))


def test_the_children_of_a_run_are_those_that_it_has_started_and_what_repeats_them(runs: Runs) -> None:
    runs.add(_new("p"))
    for name, others in {
        "b": {"parent": "p", "child": "check"},
        "a": {"parent": "p", "child": "scan"},
        "grandchild": {"parent": "a", "child": "scan"},
        "stranger": {"child": "check"},
        "again": {"parent": "p", "child": "check", "origin": "b"},
    }.items():
        runs.add(_new(name, **others))

    assert runs.children("p") == (runs.get("b"), runs.get("a"), runs.get("again"))
    assert [(run.parent, run.child) for run in runs.children("a")] == [("a", "scan")]
    assert runs.children("b") == ()


def test_a_run_that_has_started_others_can_be_forgotten_before_them(runs: Runs, enter: Enter) -> None:
    runs.add(_new("p"))
    runs.add(_new("a", parent="p", child="check"))
    enter("p", Status.SUCCESS)

    assert runs.forget(beyond=1) == ("p",)

    assert runs.get("a").parent == "p"


def test_what_a_run_was_ordered_can_be_told_more_exactly(runs: Runs) -> None:
    runs.add(_new("a", sealed=b"s"))

    runs.reorder("a", '{"commit": "c0ffee"}')

    assert runs.order_of("a") == Ordered(ordered='{"commit": "c0ffee"}', sealed=b"s")
    with pytest.raises(NotFoundError):
        runs.reorder("gone", "{}")


def _cancelled(runs: Runs) -> dict[str, Cancel]:
    return {run.id: run.cancel for run in runs.find() if run.cancel is not Cancel.NOT}


@pytest.fixture
def descent(runs: Runs, enter: Enter) -> None:
    """Add ``p``, its children ``a`` and ``b``, of ``a``, which has ended, ``c``, and of that ``d``."""
    for name, parent in (("p", ""), ("a", "p"), ("b", "p"), ("c", "a"), ("d", "c"), ("other", "")):
        runs.add(_new(name, parent=parent, child="check" if parent else ""))
    enter("a", Status.SUCCESS)


@pytest.mark.usefixtures("descent")
def test_without_a_word_about_them_children_are_not_cancelled(runs: Runs) -> None:
    assert runs.ask_cancel("p") == ("p",)

    assert _cancelled(runs) == {"p": Cancel.POLITE}


@pytest.mark.usefixtures("descent")
def test_with_its_children_all_are_cancelled_that_have_come_of_a_run(runs: Runs) -> None:
    assert runs.ask_cancel("p", children=True) == ("p", "b", "c", "d")

    assert _cancelled(runs) == dict.fromkeys("pbcd", Cancel.POLITE)
    assert runs.ask_cancel("a", children=True, forced=True) == ("c", "d")
    assert _cancelled(runs) == {**dict.fromkeys("pb", Cancel.POLITE), **dict.fromkeys("cd", Cancel.FORCED)}


@pytest.mark.usefixtures("descent")
def test_a_run_that_has_ended_can_be_cancelled_with_its_children_as_long_as_one_goes_on(
    runs: Runs, enter: Enter
) -> None:
    with pytest.raises(ConflictError, match=r"run a has ended: success$"):
        runs.ask_cancel("a")
    assert runs.ask_cancel("a", children=True) == ("c", "d")
    enter("c", Status.CANCELLED)
    enter("d", Status.CANCELLED)

    with pytest.raises(ConflictError, match="run a has ended: success, and so has all that it has started"):
        runs.ask_cancel("a", children=True)
    with pytest.raises(NotFoundError, match="there is no run gone"):
        runs.ask_cancel("gone", children=True)


@pytest.mark.parametrize("forced", [False, True])
def test_what_a_run_still_starts_that_was_cancelled_with_its_children_is_cancelled_too(
    runs: Runs,
    forced: bool,  # noqa: FBT001 - a case
) -> None:
    runs.add(_new("p"))
    runs.ask_cancel("p", children=True, forced=forced)

    late = runs.add(_new("late", parent="p", child="check"))

    assert late.cancel is (Cancel.FORCED if forced else Cancel.POLITE)
    assert runs.ask_cancel("p", children=True) == ("p", "late")


def test_what_a_run_still_starts_that_was_cancelled_alone_goes_on(runs: Runs) -> None:
    runs.add(_new("p"))
    runs.ask_cancel("p")

    assert runs.add(_new("late", parent="p", child="check")).cancel is Cancel.NOT


def test_what_is_repeated_or_started_later_is_wanted_whatever_was_cancelled_before(runs: Runs, enter: Enter) -> None:
    runs.add(_new("p"))
    runs.ask_cancel("p", children=True)

    again = runs.add(_new("again", parent="p", child="check", origin="first"))
    enter("p", Status.CANCELLED)
    later = runs.add(_new("later", parent="p", child="check"))
    of_nobody = runs.add(_new("posted", parent="gone", child="check"))

    assert [run.cancel for run in (again, later, of_nobody)] == [Cancel.NOT] * 3


def test_runs_that_name_each_other_as_parents_are_cancelled_once_each(runs: Runs) -> None:
    runs.add(_new("a", parent="b", child="check"))
    runs.add(_new("b", parent="a", child="check"))

    assert runs.ask_cancel("b", children=True) == ("b", "a")


def test_none_escapes_that_is_started_while_its_parent_is_cancelled(runs: Runs) -> None:
    runs.add(_new("p"))

    def start(thread: int) -> None:
        for number in range(10):
            runs.add(_new(f"{thread}-{number}", parent="p", child="check"))

    tasks = [Task(f"starter {thread}", partial(start, thread)) for thread in range(3)]
    runs.ask_cancel("p", children=True)
    for task in tasks:
        task.finish()

    assert len(_cancelled(runs)) == 31


def test_a_cancel_can_become_forced_and_never_polite_again(runs: Runs) -> None:
    runs.add(_new("a"))
    asked = []
    for forced in (False, False, True, False):
        runs.ask_cancel("a", forced=forced)
        asked.append(runs.get("a").cancel)

    assert asked == [Cancel.POLITE, Cancel.POLITE, Cancel.FORCED, Cancel.FORCED]


def test_what_has_ended_cannot_be_cancelled(runs: Runs, enter: Enter) -> None:
    runs.add(_new("a"))
    enter("a", Status.FAILURE)

    with pytest.raises(ConflictError, match="run a has ended: failure"):
        runs.ask_cancel("a")

    assert runs.get("a").cancel is Cancel.NOT


def test_notices_come_back_in_their_order_with_their_addresses(runs: Runs) -> None:
    runs.add(_new("a"))
    runs.add(_new("b"))
    told = [
        (2.5, Notice("first \0")),
        (1.5, Notice("second", Address("a"))),
        (3.0, Notice("third", Address("a", "build", "compile", 2, 3))),
    ]

    for at, notice in told:
        runs.tell("a", at, notice)
    runs.tell("b", 0.0, Notice("of another"))

    assert runs.notices("a") == told
    assert runs.notices("b") == [(0.0, Notice("of another"))]


def test_a_result_is_kept_as_it_is_and_the_newest_counts(runs: Runs) -> None:
    runs.add(_new("a"))
    runs.set_result("a", '{"first": 1}')
    runs.set_result("a", '{"second": 2}')

    assert runs.result_of("a") == '{"second": 2}'


def test_what_goes_on_is_not_kept_for_a_time_whatever_its_driver_has_noted(runs: Runs, enter: Enter) -> None:
    for name in ("running", "paused"):
        runs.add(_new(name))
        runs.keep(name, NOW)
    enter("running", Status.RUNNING)
    enter("paused", Status.RUNNING, Status.PAUSED)
    before = runs.kept()

    enter("running", Status.FAILURE)

    assert (before, runs.kept()) == ((), (Kept(id="running", until=NOW),))


def test_kept_runs_are_listed_by_their_time_until_they_are_released(runs: Runs, enter: Enter) -> None:
    for name in "abc":
        runs.add(_new(name))
        enter(name, Status.FAILURE)
    runs.keep("a", NOW + 2 * HOUR)
    runs.keep("b", NOW + HOUR)

    before = runs.kept()
    runs.release("b")

    assert before == (Kept(id="b", until=NOW + HOUR), Kept(id="a", until=NOW + 2 * HOUR))
    assert runs.kept() == (Kept(id="a", until=NOW + 2 * HOUR),)


def test_a_run_is_held_by_those_that_stand_on_it_until_they_have_ended_and_are_not_kept(
    runs: Runs, enter: Enter
) -> None:
    runs.add(_new("a"))
    enter("a", Status.FAILURE)
    for name in ("waits", "runs", "ended", "kept"):
        runs.add(_new(name, origin="a", inherits=("a",)))
    enter("runs", Status.RUNNING)
    enter("ended", Status.SUCCESS)
    enter("kept", Status.FAILURE)
    runs.keep("kept", NOW)

    assert runs.holders("a") == ("waits", "runs", "kept")
    assert runs.holders("waits") == ()


def test_a_run_cannot_stand_on_one_that_is_gone(runs: Runs) -> None:
    with pytest.raises(NotFoundError, match="there is no run gone"):
        runs.add(_new("b", inherits=("gone",)))

    assert runs.find() == ()


def test_a_forgotten_run_goes_with_all_that_belongs_to_it(runs: Runs, enter: Enter, database: Database) -> None:
    runs.add(_new("old"), [_entry("old", Status.SUCCESS, "build")])
    runs.tell("old", 1.0, Notice("text"))
    runs.add(_new("new"))
    enter("old", Status.SUCCESS)

    assert runs.forget(beyond=1) == ("old",)

    assert [run.id for run in runs.find()] == ["new"]
    assert runs.notices("old") == []
    assert SqlJournal(database, "old").read() == ()


def test_of_many_runs_the_newest_stay(runs: Runs, enter: Enter) -> None:
    for name in "abcd":
        runs.add(_new(name))
        enter(name, Status.SUCCESS)

    assert runs.forget(beyond=4) == ()
    assert runs.forget(beyond=2) == ("a", "b")
    assert runs.forget(beyond=2) == ()
    assert [run.id for run in runs.find()] == ["d", "c"]


def test_what_waits_runs_pauses_or_is_kept_or_stood_on_is_never_forgotten(runs: Runs, enter: Enter) -> None:
    for name in ("waiting", "running", "paused", "kept", "stood"):
        runs.add(_new(name))
    enter("running", Status.RUNNING)
    enter("paused", Status.RUNNING, Status.PAUSED)
    enter("kept", Status.FAILURE)
    runs.keep("kept", NOW)
    enter("stood", Status.FAILURE)
    runs.add(_new("standing", inherits=("stood",)))

    assert runs.forget(beyond=0) == ()

    enter("standing", Status.SUCCESS)
    runs.release("kept")
    assert runs.forget(beyond=0) == ("kept", "standing")
    assert runs.forget(beyond=0) == ("stood",)


@pytest.mark.parametrize("going", [Status.PENDING, Status.RUNNING, Status.PAUSED])
def test_a_child_whose_parent_goes_on_is_not_forgotten(runs: Runs, enter: Enter, going: Status) -> None:
    """By its children the parent knows which requests it has met: without them it would start them again."""
    runs.add(_new("p"))
    if going is not Status.PENDING:
        enter("p", *dict.fromkeys((Status.RUNNING, going)))
    for name, parent in (("a", "p"), ("b", "p"), ("stranger", ""), ("orphan", "gone")):
        runs.add(_new(name, parent=parent, child="check" if parent else ""))
        enter(name, Status.SUCCESS)

    assert runs.forget(beyond=0) == ("stranger", "orphan")
    assert [child.id for child in runs.children("p")] == ["a", "b"]

    enter("p", Status.SUCCESS)
    assert runs.forget(beyond=0) == ("p", "a", "b")


def test_a_rerun_of_a_child_stays_with_it_while_the_parent_goes_on(runs: Runs, enter: Enter) -> None:
    runs.add(_new("p"))
    runs.add(_new("a", parent="p", child="check"))
    runs.add(_new("again", parent="p", child="check", origin="a"))
    for name in ("a", "again"):
        enter(name, Status.FAILURE)

    assert runs.forget(beyond=0) == ()


def test_a_child_that_has_ended_is_forgotten_while_one_of_its_own_goes_on(runs: Runs, enter: Enter) -> None:
    runs.add(_new("a", parent="gone", child="check"))
    runs.add(_new("deeper", parent="a", child="deeper"))
    enter("a", Status.SUCCESS)

    assert runs.forget(beyond=0) == ("a",)
    assert runs.get("deeper").parent == "a"


def test_a_status_that_is_no_word_of_ours_is_damage(runs: Runs, database: Database) -> None:
    runs.add(_new("a"))
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE runs SET status = 'jogging'")

    with pytest.raises(StoreError, match="damaged: 'jogging' is not a valid Status"):
        runs.get("a")
