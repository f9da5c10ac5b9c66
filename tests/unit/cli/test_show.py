from runner.plan import codec
from tests.support.api_stand import answer, failure, summary
from tests.support.faces import RUN
from tests.support.remote import PLAN, Remote, report, step_report

FAILED = report(
    "failure",
    step_report("one"),
    step_report("two", "failure", exit_code=3, attempt=2, reason="it was too big", seconds=200.0),
    step_report("three", "skipped", exit_code=None, started=None, seconds=None),
    reason="step two",
)


def test_a_run_is_shown_with_its_stages_and_steps(remote: Remote) -> None:
    facts = {"status": "failure", "reason": "stage build", "pipeline": "shop", "origin": "0000beef"}
    remote.stand.has(RUN, plan=PLAN, report=FAILED, kept_until="2026-01-02T12:00:00.000+00:00", **facts)

    assert remote.call("show", RUN) == 0

    assert remote.out.splitlines() == [
        f"run {RUN}: failure in 2.5 s: stage build",
        (
            "pipeline shop, queue default, submitted 2026-01-01 12:00:00 UTC, a rerun of 0000beef, "
            "its workspaces are kept until 2026-01-02 12:00:00 UTC"
        ),
        "build    failure         step two",
        "  one    success  1.2 s",
        "  two    failure  3 min  exit code 3, attempt 2, it was too big",
        "  three  skipped",
    ]


def test_a_run_is_shown_with_its_async_stages_and_how_to_see_more_of_them(remote: Remote) -> None:
    started = report("success", step_report("one"))
    started["children"] = [
        {"stage": "check", "id": "0000c0de", "status": "running"},
        {"stage": "slow-scan", "id": "0000beef", "status": "failure"},
    ]
    remote.stand.has(RUN, plan=PLAN, report=started, status="success")

    assert remote.call("show", RUN) == 0

    assert remote.out.splitlines()[2:] == [
        "build                  success",
        "  one                  success  1.2 s",
        "async stage check      running         runner show 0000c0de",
        "async stage slow-scan  failure         runner show 0000beef",
    ]


def test_an_async_stage_is_said_to_be_one(remote: Remote) -> None:
    remote.stand.has(RUN, plan=PLAN, report=FAILED, parent="0000beef", child="check", pipeline="shop")

    assert remote.call("show", RUN) == 0

    assert remote.out.splitlines()[1].startswith("async stage check of run 0000beef, pipeline shop, queue default")


def test_a_run_that_waits_has_no_time_yet(remote: Remote) -> None:
    waits = report("pending")
    waits["run"]["seconds"] = 0.0
    remote.stand.has(RUN, plan=PLAN, report=waits, status="pending", started=None)

    assert remote.call("show", RUN) == 0

    assert remote.out.splitlines()[:2] == [f"run {RUN}: pending", "queue default, submitted 2026-01-01 12:00:00 UTC"]


def test_json_is_the_document_of_exec_and_nothing_else(remote: Remote) -> None:
    remote.stand.has(RUN, plan=PLAN, report=FAILED)

    assert remote.call("show", RUN, "--output", "json") == 0

    assert remote.document == FAILED


def test_last_is_the_newest_run(remote: Remote) -> None:
    remote.stand.has(RUN, plan=PLAN, report=FAILED)
    remote.stand.on("GET /runs", answer({"runs": [codec.encode(summary(RUN))]}))

    assert remote.call("show", "last", "--output", "json") == 0

    assert remote.document == FAILED


def test_a_run_that_is_not_there_is_bad_usage(remote: Remote) -> None:
    remote.stand.on("GET /runs/nix", failure(404, "there is no run 'nix'"))

    assert remote.call("show", "nix") == 2

    assert remote.err == "runner: there is no run 'nix'\n"


def test_names_of_others_cannot_move_the_cursor(remote: Remote) -> None:
    remote.stand.has(RUN, plan=PLAN, report=report("failure", step_report("\x1b[2J")), reason="\x1b[1A")

    assert remote.call("show", RUN) == 0

    assert "\x1b" not in remote.out
    assert "\\x1b[2J" in remote.out


def test_a_paused_run_says_how_to_go_on(remote: Remote) -> None:
    paused = report("paused", step_report("one"), reason="approval")
    remote.stand.has(RUN, plan=PLAN, report=paused, status="paused", reason="stage build: approval")

    assert remote.call("show", RUN) == 0

    assert remote.out.splitlines()[:3] == [
        f"run {RUN}: paused in 2.5 s: stage build: approval",
        f"queue default, submitted 2026-01-01 12:00:00 UTC, `runner resume {RUN}` has it go on",
        "build  paused          approval",
    ]


def test_what_a_step_has_returned_stands_under_it(remote: Remote) -> None:
    returns = {
        "primary": ["a", {"b": 1.5}],
        "named": {"K": "text"},
        "globals": {"flag": True},
        "links": {"short": "!A.globals.x"},
    }
    remote.stand.has(RUN, plan=PLAN, report=report("success", step_report("one", returns=returns)))

    assert remote.call("show", RUN) == 0

    assert remote.out.splitlines()[3:] == [
        "  one            success  1.2 s",
        '    primary                      ["a", {"b": 1.5}]',
        "    named K                      text",
        "    global flag                  true",
        "    link short                   !A.globals.x",
    ]


def test_of_what_a_step_has_returned_no_more_is_shown_than_can_be_read(remote: Remote) -> None:
    named = {f"K{number:02d}": "x" * 1000 for number in range(30)}
    returns = {"primary": None, "named": named, "globals": {}, "links": {}}
    remote.stand.has(RUN, plan=PLAN, report=report("success", step_report("one", returns=returns)))

    assert remote.call("show", RUN) == 0

    lines = remote.out.splitlines()[4:]
    assert len(lines) == 21
    assert lines[0].split() == ["named", "K00", "x" * 200 + "..."]
    assert lines[-1].split("  ")[-1] == "--output json has them"
    assert "and 10 more" in lines[-1]
