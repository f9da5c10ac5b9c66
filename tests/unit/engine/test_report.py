import json

from runner import naming
from runner.engine.journal import Entry
from runner.engine.report import ChildReport, report
from runner.engine.state import RunState
from runner.naming import Address
from runner.pipelinectl.values import Store, values_of
from runner.plan.status import Status
from tests.support.engine import RUN, at, drive
from tests.support.plans import plan, stage, step

PLAN = plan(stage("build", step("make"), step("later")), stage("test", step("unit")))
ENTRIES = (
    (Address(RUN), Status.RUNNING, 0.0, None, ""),
    (at("build"), Status.RUNNING, 0.1, None, ""),
    (at("build/make"), Status.RUNNING, 0.12345, None, ""),
    (at("build/make"), Status.FAILURE, 1.0, 2, ""),
    (at("build/make", attempt=2), Status.RUNNING, 1.5, None, ""),
    (at("build/make", attempt=2), Status.FAILURE, 3.0006, 137, "it was too big"),
    (at("build/later"), Status.SKIPPED, 3.1, None, "status is failure"),
    (at("build"), Status.FAILURE, 3.2, None, "step make: it was too big"),
    (at("test"), Status.NOT_RUN, 3.3, None, "not started"),
    (Address(RUN), Status.FAILURE, 3.4, None, "stage build: step make: it was too big"),
)
RETURNED = {f"m.{naming.returns(at('build/make', attempt=2))}": b'json\n["x"]\n'}
VALUES = values_of(Store(contents={"e.k": b"v\n"}, returned=RETURNED))
GOLDEN = {
    "run": {
        "id": RUN,
        "status": "failure",
        "dialect": "vela",
        "seconds": 3.4,
        "reason": "stage build: step make: it was too big",
    },
    "stages": [
        {
            "name": "build",
            "status": "failure",
            "reason": "step make: it was too big",
            "steps": [
                {
                    "name": "make",
                    "status": "failure",
                    "exit_code": 137,
                    "attempt": 2,
                    "reason": "it was too big",
                    "started": 1.5,
                    "seconds": 1.501,
                    "returns": {"primary": ["x"], "named": {}, "globals": {}, "links": {}},
                },
                {
                    "name": "later",
                    "status": "skipped",
                    "exit_code": None,
                    "attempt": 1,
                    "reason": "status is failure",
                    "started": None,
                    "seconds": None,
                },
            ],
        },
        {
            "name": "test",
            "status": "not_run",
            "reason": "not started",
            "steps": [
                {
                    "name": "unit",
                    "status": "pending",
                    "exit_code": None,
                    "attempt": 1,
                    "reason": "",
                    "started": None,
                    "seconds": None,
                }
            ],
        },
    ],
    "children": [],
    "values": {name: value for name, value in VALUES.items() if name != "returns"},
}


def _state(count: int = len(ENTRIES)) -> RunState:
    return RunState(
        RUN,
        PLAN,
        [
            Entry(address=address, status=status, at=when, exit_code=code, reason=reason)
            for address, status, when, code, reason in ENTRIES[:count]
        ],
    )


def test_the_document_of_a_run_has_these_keys_and_values() -> None:
    assert json.loads(json.dumps(report(_state(), VALUES))) == GOLDEN


def test_the_runs_that_it_has_started_are_listed_as_they_stand() -> None:
    started: list[ChildReport] = [{"stage": "check", "id": "0000c0de", "status": "running"}]

    assert report(_state(), VALUES, started)["children"] == started


def test_a_run_that_has_not_begun_is_pending() -> None:
    document = report(_state(0), VALUES)

    assert document["run"] == {"id": RUN, "status": "pending", "dialect": "vela", "seconds": 0.0, "reason": ""}
    assert [stage["status"] for stage in document["stages"]] == ["pending", "pending"]


def test_a_step_that_goes_on_has_started_and_takes_no_time_yet() -> None:
    make = report(_state(3), VALUES)["stages"][0]["steps"][0]

    assert (make["status"], make["started"], make["seconds"]) == ("running", 0.123, None)


def test_a_stage_is_told_by_its_last_round() -> None:
    entries = [
        Entry(address=at("build"), status=Status.FAILURE, at=1.0, reason="first"),
        Entry(address=at("build/make"), status=Status.FAILURE, at=1.0, exit_code=1),
        Entry(address=at("build", round=2), status=Status.SUCCESS, at=2.0),
        Entry(address=at("build/make", round=2), status=Status.SUCCESS, at=2.0, exit_code=0),
    ]

    build = report(RunState(RUN, PLAN, entries), VALUES)["stages"][0]

    assert (build["status"], build["reason"]) == ("success", "")
    assert (build["steps"][0]["status"], build["steps"][0]["exit_code"]) == ("success", 0)


def test_times_count_from_the_start_of_the_run() -> None:
    result = drive(plan(stage("s", step("a", seconds=2), step("b"))))

    document = report(result.state, VALUES)

    first, second = document["stages"][0]["steps"]
    assert first["started"] is not None
    assert first["seconds"] is not None
    assert second["started"] is not None
    assert 0 <= first["started"] <= first["started"] + first["seconds"] <= second["started"] + 0.002
    assert second["started"] <= result.entries[-1].at + 0.001
