"""Runs that outlive the process that drives them, and how they are told to whoever follows."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from runner import diagnostics
from runner.backends.standing import leftovers
from runner.clock import Deadline
from runner.dispatch.feed import Item, Lines
from runner.dispatch.registered import Registered
from runner.dispatch.requests import Again, Definition, Inline, Repository, Submission
from runner.engine import children
from runner.engine.events import Changed, Printing
from runner.engine.job import Task
from runner.errors import InfrastructureError, UsageError
from runner.naming import Address
from runner.plan.model import Plan
from runner.settings import DEFAULT_QUEUE, GitSettings
from tests.support.children import apart, triggering
from tests.support.daemons import Daemon, Grounds, commit, text_of, told, words
from tests.support.hooked import DEADLINE, Fault
from tests.support.plans import hanging, plan, service, stage, step, steps_only
from tests.support.repositories import Repository as GitRepository

ONE = steps_only(step("a", text="hello"))
TOLD = ["run running", "s running", "s/a running", "s/a | hello", "s/a success", "s success", "run success"]
LONG = plan(stage("s", step("first", text="one"), step("second", text="two", seconds=60), step("third", text="three")))


def _follow(daemon: Daemon, run: str) -> list[str]:
    with daemon.service.feed(run) as feed:
        return words(told(feed))


class Follower:
    """Follows a run from a thread of its own."""

    def __init__(self, daemon: Daemon, run: str) -> None:
        self.items: list[Item] = []
        self._ready = threading.Event()
        self._task = Task("follower", lambda: self._follow(daemon, run))
        assert self._ready.wait(DEADLINE)

    def _follow(self, daemon: Daemon, run: str) -> None:
        with daemon.service.feed(run) as feed:
            self._ready.set()
            self.items = told(feed)

    @property
    def words(self) -> list[str]:
        """What it was told, to the end."""
        self._task.finish()
        return words(self.items)


@contextmanager
def _dying(grounds: Grounds, of: Plan, path: str, **more: Any) -> Iterator[str]:  # noqa: ANN401 - of `Submission`
    """Have a run whose daemon dies when a step has begun and printed; the next daemon serves in the block."""
    with grounds.serving() as daemon:
        run = daemon.submit(of, **more)
        with daemon.service.feed(run) as feed:
            told(feed, until=lambda item: isinstance(item, Lines) and item.address.path == path)
    yield run


def test_a_run_is_told_in_order_to_whoever_follows_it_from_before_its_begin(idle: Daemon) -> None:
    run = idle.submit(ONE)
    follower = Follower(idle, run)

    idle.serve()

    assert follower.words == TOLD


def test_whoever_comes_late_is_told_the_same_from_the_beginning(daemon: Daemon) -> None:
    run = daemon.submit(LONG)
    daemon.until(run, "s/second")
    late = Follower(daemon, run)

    daemon.service.cancel(run, force=True)

    assert late.words[:5] == ["run running", "s running", "s/first running", "s/first | one", "s/first success"]
    assert late.words[-1] == "run cancelled"
    assert late.words == _follow(daemon, run)


def test_a_run_that_has_ended_is_told_as_it_was_and_is_over(daemon: Daemon) -> None:
    assert _follow(daemon, daemon.run(ONE)) == TOLD


def test_who_follows_a_run_that_is_cancelled_while_it_waits_is_told_its_end(grounds: Grounds) -> None:
    grounds.set(queues={"default": 1})
    with grounds.serving() as daemon:
        blocker = daemon.submit(steps_only(hanging("a")))
        daemon.until(blocker, "s/a")
        run = daemon.submit(ONE)
        follower = Follower(daemon, run)

        daemon.service.cancel(run, force=False)

        assert follower.words == _follow(daemon, run) == ["s/a cancelled", "s cancelled", "run cancelled"]


def test_lines_come_after_the_begin_of_their_step_and_before_its_end(daemon: Daemon) -> None:
    of = plan(*(stage(name, *(step(f"x{n}", text=f"{name}{n}") for n in range(4))) for name in "abcd"))

    found = Follower(daemon, daemon.submit(of)).words

    for name in "abcd":
        mine = [word for word in found if word.startswith(name)]
        expected = [[f"{name}/x{n} running", f"{name}/x{n} | {name}{n}", f"{name}/x{n} success"] for n in range(4)]
        assert mine == [f"{name} running", *(word for each in expected for word in each), f"{name} success"]


def test_a_run_whose_daemon_died_in_the_middle_goes_on_where_it_stood(grounds: Grounds) -> None:
    with _dying(grounds, LONG, "s/second") as run, grounds.serving() as daemon:
        assert daemon.status(run) == "running"
        follower = Follower(daemon, run)
        grounds.world.containers[Address(run, "s", "second")].end(0)

        assert follower.words == _follow(daemon, run)
        assert [word for word in follower.words if " | " in word] == [
            "s/first | one",
            "s/second | two",
            "s/third | three",
        ]
        assert [word for word in follower.words if word.endswith((" running", " success"))] == [
            "run running",
            "s running",
            *(f"s/{name} {status}" for name in ("first", "second", "third") for status in ("running", "success")),
            "s success",
            "run success",
        ]
        assert daemon.text(run, "s", "second") == "two\n"
        assert set(grounds.world.starts.values()) == {1}
        assert not leftovers(grounds.world)


def test_who_follows_a_run_that_goes_on_after_a_crash_is_told_what_was_printed_before_it(grounds: Grounds) -> None:
    with _dying(grounds, LONG, "s/second") as run, grounds.living() as daemon:
        with daemon.service.feed(run) as feed:
            found = words(list(feed.poll()))
            assert not feed.over

        begun = ["s/first running", "s/first | one", "s/first success", "s/second running", "s/second | two"]
        assert found == ["run running", "s running", *begun]


def test_a_run_that_had_not_begun_when_its_daemon_died_is_driven_by_the_next(grounds: Grounds) -> None:
    with grounds.living() as daemon:
        run = daemon.submit(ONE)

    with grounds.serving() as daemon:
        assert _follow(daemon, run) == TOLD


def test_a_run_that_had_ended_is_not_touched_by_the_next_daemon(grounds: Grounds) -> None:
    with grounds.serving() as daemon:
        run = daemon.run(ONE)
        before = daemon.house.means.journal(run).read()

    with grounds.serving() as daemon:
        assert daemon.house.dispatcher.settled(DEADLINE)
        assert daemon.house.means.journal(run).read() == before
        assert _follow(daemon, run) == TOLD


def test_a_step_whose_end_nobody_saw_is_lost_and_what_comes_after_is_told(grounds: Grounds) -> None:
    with _dying(grounds, LONG, "s/second") as run:
        del grounds.world.containers[Address(run, "s", "second")]
        with grounds.serving() as daemon:
            daemon.ended(run)
            assert daemon.statuses(run)["s/second"] == "lost"
            assert daemon.status(run) == "lost"


def test_a_run_that_was_cancelled_while_no_daemon_lived_is_ended_by_the_next(grounds: Grounds) -> None:
    with _dying(grounds, LONG, "s/second") as run:
        with grounds.living() as daemon:
            daemon.service.cancel(run, force=False)
        with grounds.serving() as daemon:
            daemon.ended(run)
            assert daemon.statuses(run) == {"s/first": "success", "s/second": "cancelled", "s/third": "cancelled"}
            assert not leftovers(grounds.world)


def test_secrets_that_steps_told_are_masked_after_a_restart_too(grounds: Grounds) -> None:
    secret = "hunter2 is the word"
    of = plan(
        stage(
            "s",
            step("first", text=f"::add-mask::{secret}"),
            step("second", text="two", seconds=60),
            step("third", text=f"say {secret}"),
        )
    )
    with _dying(grounds, of, "s/second") as run, grounds.serving() as daemon:
        grounds.world.containers[Address(run, "s", "second")].end(0)

        assert "s/third | say ***" in _follow(daemon, run)
        assert daemon.text(run, "s", "third") == "say ***\n"
    folder = grounds.data / "runs" / run
    assert not [path for path in folder.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_a_secret_that_is_too_short_is_told_once_however_often_the_run_is_taken_up(grounds: Grounds) -> None:
    with _dying(grounds, LONG, "s/second", secrets={"PIN": "12"}) as run, grounds.serving() as daemon:
        grounds.world.containers[Address(run, "s", "second")].end(0)

        assert [word for word in _follow(daemon, run) if "PIN" in word] == [
            "secret PIN is too short to be masked in logs"
        ]


def test_notices_stand_where_they_came_also_when_they_are_told_again(daemon: Daemon) -> None:
    run = daemon.submit(ONE, secrets={"PIN": "12"})
    live = _follow(daemon, run)

    assert live == _follow(daemon, run)
    assert live[0] == "secret PIN is too short to be masked in logs"


def test_a_run_whose_repository_has_gone_ends_as_an_error_with_its_message(
    grounds: Grounds, repository: GitRepository
) -> None:
    repository.commit("file")
    inline = Inline(text=text_of(plan(stage("a", step("x")), stage("b", step("x"), needs=("a",)))))
    inline = Inline(text=inline.text, repository=Repository(url=str(repository.root)))
    with grounds.living() as daemon:
        run = daemon.service.submit(Submission(inline=inline), local=False).id
    _remove(grounds.data / "mirrors")
    _remove(repository.root)

    with grounds.serving() as daemon:
        daemon.ended(run)

        summary = daemon.service.summary(run)
        assert summary.status == "error"
        assert str(repository.root) in summary.reason
        assert daemon.statuses(run) == {"a/x": "cancelled", "b/x": "cancelled"}
        report = daemon.service.report(run)
        assert [each["status"] for each in report["stages"]] == ["not_run", "not_run"]
        assert report["stages"][0]["reason"] == f"not started: {summary.reason}"
        assert not grounds.world.starts


def test_a_run_in_flight_whose_repository_has_gone_leaves_nothing_behind(
    grounds: Grounds, repository: GitRepository
) -> None:
    repository.commit("file")
    of = plan(stage("s", step("a", text="one", seconds=60), step("b")), services=[service("db")])
    inline = Inline(text=text_of(of), repository=Repository(url=str(repository.root)))
    with grounds.serving() as daemon:
        run = daemon.service.submit(Submission(inline=inline), local=False).id
        daemon.until(run, "s/a")
    _remove(grounds.data / "mirrors")
    _remove(repository.root)

    with grounds.serving() as daemon:
        daemon.ended(run)

        assert daemon.statuses(run) == {"s/a": "error", "s/b": "cancelled"}
        assert [each["status"] for each in daemon.service.report(run)["stages"]] == ["error"]
        assert (daemon.status(run), daemon.service.summary(run).kept_until) == ("error", None)
        assert not leftovers(grounds.world)
        assert not daemon.house.means.trees._leases


def test_what_a_step_has_asked_for_is_started_also_if_its_run_cannot_be_driven_on(
    grounds: Grounds, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_LOOK_SECONDS", 5.0)  # this life does not hear of it in time
    repository.commit("file")
    of = plan(stage("s", triggering("a", "check"), step("b", seconds=600)), async_stages=(apart("check"),))
    inline = Inline(text=text_of(of), repository=Repository(url=str(repository.root)))
    with grounds.serving() as daemon:
        run = daemon.service.submit(Submission(inline=inline), local=False).id
        daemon.until(run, "s/b")
    _remove(grounds.data / "mirrors")
    _remove(repository.root)

    with grounds.serving() as daemon:
        daemon.ended(run)

        assert daemon.status(run) == "error"
        assert [each["stage"] for each in daemon.service.report(run)["children"]] == ["check"]


def test_a_cancelled_run_stops_to_wait_for_its_repository(grounds: Grounds, repository: GitRepository) -> None:
    sha = commit(repository, ONE)
    inline = Inline(text=text_of(ONE), repository=Repository(url=str(repository.root), commit=sha))
    with grounds.serving() as daemon:
        sources, asked, given_up = daemon.house.means.trees._here, threading.Event(), threading.Event()
        fetched = sources.fetched

        def slow(spec: object, *, wanted: Any = lambda: True) -> Any:  # noqa: ANN401 - as that in whose place it is
            asked.set()
            while wanted():
                given_up.wait(0.01)
            return fetched(spec, wanted=wanted)  # type: ignore[arg-type]  # as above

        run = daemon.service.submit(Submission(inline=inline), local=False).id
        daemon.ended(run)
        _remove(grounds.data / "mirrors")
        sources.fetched = slow  # type: ignore[method-assign]  # the network, as it can be
        again = daemon.service.rerun(run, Again()).id
        assert asked.wait(DEADLINE)
        daemon.service.cancel(again, force=False)
        daemon.ended(again)

        assert daemon.service.summary(again).reason == "it was cancelled before it began"


def test_a_fault_of_ours_ends_a_run_as_an_error_and_leaves_nothing(grounds: Grounds) -> None:
    grounds.hook = Fault("open_run", "", KeyError("a fault of ours"))
    with grounds.serving() as daemon:
        found = Follower(daemon, daemon.submit(ONE)).words

        assert found == ["run running", "s/a cancelled", "s not_run", "run error"]
        assert daemon.service.runs()[0].reason == "an error of the runner itself: KeyError('a fault of ours')"
        assert not leftovers(grounds.world)


@pytest.mark.parametrize("thread", ["run ", "stage "])
def test_a_store_that_cannot_be_written_for_a_while_costs_no_run(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch, thread: str
) -> None:
    monkeypatch.setattr("runner.dispatch.local._AGAIN_SECONDS", 0.05)
    with grounds.serving() as daemon:
        database = daemon.house.means.database
        writing, left = database.writing, [3]

        @contextmanager
        def failing() -> Iterator[Any]:
            if left[0] and threading.current_thread().name.startswith(thread):
                left[0] -= 1
                raise InfrastructureError("the database is locked")
            with writing() as connection:
                yield connection

        database.writing = failing  # type: ignore[method-assign]  # a disk that is full for a while
        run = daemon.submit(ONE)

        assert Follower(daemon, run).words == TOLD
        assert left == [0]


def test_the_tree_of_a_run_stays_until_nobody_needs_it(grounds: Grounds, repository: GitRepository) -> None:
    commit(repository, ONE)

    def submit(daemon: Daemon, of: Plan) -> str:
        inline = Inline(text=text_of(of), repository=Repository(url=str(repository.root)))
        return daemon.service.submit(Submission(inline=inline), local=False).id

    with grounds.serving() as daemon:
        good, bad = submit(daemon, ONE), submit(daemon, steps_only(step("a", 1)))
        daemon.ended(good)
        daemon.ended(bad)
        assert daemon.house.dispatcher.settled(DEADLINE)

        assert set(daemon.house.means.trees._leases) == {bad}

    with grounds.serving() as daemon:
        assert set(daemon.house.means.trees._leases) == {bad}


def test_a_tree_that_cannot_be_had_again_does_not_keep_a_daemon_from_starting(
    grounds: Grounds, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[dict[str, object]] = []
    monkeypatch.setattr(diagnostics, "warn", lambda event, **facts: warned.append(facts))
    repository.commit("file")
    inline = Inline(text=text_of(steps_only(step("a", 1))), repository=Repository(url=str(repository.root)))
    with grounds.serving() as daemon:
        kept = daemon.ended(daemon.service.submit(Submission(inline=inline), local=False).id)
    _remove(grounds.data / "mirrors")
    _remove(repository.root)

    with grounds.serving() as daemon:
        assert daemon.status(daemon.run(ONE)) == "success"
    assert [facts["run"] for facts in warned] == [kept]


def test_a_step_is_about_to_print_once_for_every_life_that_hears_it(grounds: Grounds) -> None:
    with _dying(grounds, LONG, "s/second") as run, grounds.serving() as daemon:
        grounds.world.containers[Address(run, "s", "second")].end(0)
        follower = Follower(daemon, run)
        assert follower.words

        places = [item.address.path for item in follower.items if isinstance(item, Printing)]
        assert sorted(set(places)) == ["s/first", "s/second", "s/third"]
        ends = [item.entry.address.path for item in follower.items if isinstance(item, Changed)]
        assert ends.index("s/first") > 0


def _remove(folder: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}.gone"))


def test_what_is_left_of_runs_that_the_database_does_not_know_is_moved_aside(
    grounds: Grounds, capsys: pytest.CaptureFixture[str]
) -> None:
    with grounds.serving() as daemon:
        run = daemon.submit(ONE)
        daemon.ended(run)
    (grounds.data / "runner.db").unlink()

    with grounds.serving() as daemon:
        (aside,) = grounds.data.glob("runs.before-*")

        assert (aside / run / "logs").is_dir()
        assert str(aside) in capsys.readouterr().err
        assert daemon.service.runs() == []


def test_a_run_whose_order_cannot_be_read_ends_as_an_error_that_says_so(grounds: Grounds) -> None:
    with grounds.serving() as daemon:
        run = daemon.submit(plan(stage("s", step("a", seconds=60))))
        daemon.until(run, "s/a")
    with closing(sqlite3.connect(grounds.data / "runner.db")) as database, database:
        database.execute("UPDATE runs SET ordered = replace(ordered, '\"version\": 1', '\"version\": 99')")

    with grounds.serving() as daemon:
        deadline = Deadline(DEADLINE)
        while daemon.status(run) == "running" and not deadline.passed:
            time.sleep(0.01)

        assert daemon.status(run) == "error"
        assert "another version" in daemon.service.summary(run).reason
        assert not leftovers(grounds.world)


def test_an_address_with_a_login_in_it_is_not_stored(grounds: Grounds) -> None:
    with grounds.serving() as daemon:
        registered = Registered(daemon.service._registered._pipelines, GitSettings(), {DEFAULT_QUEUE: 1})
        for url in ("https://me:secret@example.org/shop.git", "https://token@example.org/shop.git"):
            with pytest.raises(UsageError, match="must hold no login") as caught:
                registered.register("shop", Definition(repository=url))

            assert "secret" not in caught.value.explained
            assert "token@" not in caught.value.explained
