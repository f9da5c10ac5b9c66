from datetime import UTC, datetime

import pytest

from runner.cli import runs
from runner.plan import codec
from tests.support.api_stand import answer, summary
from tests.support.remote import Remote

RUNS = "GET /runs"


class _Clock:
    """A minute after runs begin."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, 12, 1, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SystemClock", _Clock)


def test_runs_are_a_table(remote: Remote) -> None:
    ended = summary(
        "b0b", pipeline="team/shop", status="failure", reason="step\none", ended="2026-01-01T12:00:22+00:00"
    )
    found = [summary("aaaa0000"), ended, summary("c0c", status="pending", started=None)]
    remote.stand.on(RUNS, answer({"runs": [codec.encode(run) for run in found]}))

    assert remote.call("runs") == 0

    assert remote.out.splitlines() == [
        "RUN       PIPELINE   STATUS   AGE     TIME    REASON",
        "aaaa0000  -          running  70.0 s  60.0 s",
        "b0b       team/shop  failure  70.0 s  12.0 s  step one",
        "c0c       -          pending  70.0 s  -",
    ]


def test_an_async_stage_is_said_to_be_one(remote: Remote) -> None:
    found = [
        summary("aaaa0000", parent="b0b", child="check"),
        summary("bbbb0000", parent="b0b", child="check", reason="step x"),
        summary("cccc0000", child="check"),
    ]
    remote.stand.on(RUNS, answer({"runs": [codec.encode(run) for run in found]}))

    assert remote.call("runs") == 0

    assert [line.rpartition("60.0 s  ")[2] for line in remote.out.splitlines()[1:]] == [
        "async stage check of run b0b",
        "async stage check of run b0b: step x",
        "async stage check",
    ]


def test_which_runs_is_the_daemons_affair(remote: Remote) -> None:
    remote.stand.on(RUNS, answer({"runs": []}))

    assert remote.call("runs", "--pipeline", "shop", "--status", "failure", "--limit", "3") == 0
    assert remote.call("runs") == 0

    assert remote.out == "there are no runs\n"
    first, second = (asked.query for asked in remote.stand.asked)
    assert (first, second) == ({"pipeline": "shop", "status": "failure", "limit": "3"}, {"limit": "20"})


def test_json_has_all_that_is_known(remote: Remote) -> None:
    found = [codec.encode(summary("aaaa0000", queue="deploy"))]
    remote.stand.on(RUNS, answer({"runs": found}))

    assert remote.call("runs", "--output", "json") == 0

    assert remote.document == {"runs": found}


def test_a_list_has_no_events(remote: Remote) -> None:
    assert remote.call("runs", "--output", "events") == 2

    assert "a list has no events" in remote.err


def test_without_a_daemon_it_is_3_and_says_how_to_have_one(remote: Remote) -> None:
    (remote.data / "runner.sock").unlink()

    assert remote.call("runs") == 3

    assert remote.err == (
        f"runner: no daemon listens at {remote.data}/runner.sock\n"
        "        `runner daemon` starts one; RUNNER_DATA_DIR names another\n"
    )
