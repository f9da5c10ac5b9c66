import pytest

from runner.engine.journal import Entry
from runner.engine.state import MOST_LOSSES, RunState, Standing, tried_again
from runner.naming import ORIGINS, Address
from runner.plan.model import BlockedBy, OnLost, Plan, Ruleset
from runner.plan.status import Status
from tests.support.engine import RUN, at
from tests.support.plans import plan, stage, step, steps_only

ENDED = [status for status in Status if status.ended]
AGAIN = [Status.FAILURE, Status.TIMEOUT, Status.ERROR, Status.LOST]


def _state(of: Plan, *entries: tuple[Address, Status]) -> RunState:
    """Fold entries that come a second apart."""
    return RunState(
        RUN, of, [Entry(address=address, status=status, at=float(n)) for n, (address, status) in enumerate(entries)]
    )


def test_what_nobody_wrote_about_is_pending() -> None:
    assert _state(steps_only(step("a"))).standing(at("s/a")) == Standing()


def test_a_standing_has_its_start_its_duration_its_code_and_its_reason() -> None:
    state = RunState(RUN, steps_only(step("a")))

    state.apply(Entry(address=at("s/a"), status=Status.RUNNING, at=2.0))
    state.apply(Entry(address=at("s/a"), status=Status.FAILURE, at=5.5, exit_code=3, reason="why"))

    assert state.standing(at("s/a")) == Standing(
        status=Status.FAILURE, exit_code=3, reason="why", started=2.0, seconds=3.5
    )


def test_what_still_runs_has_no_duration() -> None:
    standing = _state(steps_only(step("a")), (at("s/a"), Status.RUNNING)).standing(at("s/a"))

    assert (standing.started, standing.seconds) == (0.0, None)


@pytest.mark.parametrize("status", ENDED)
def test_what_ended_without_having_begun_has_no_times(status: Status) -> None:
    standing = _state(steps_only(step("a")), (at("s/a"), status)).standing(at("s/a"))

    assert (standing.status, standing.started, standing.seconds) == (status, None, None)


def test_a_duration_is_never_negative() -> None:
    state = RunState(RUN, steps_only(step("a")))
    state.apply(Entry(address=at("s/a"), status=Status.RUNNING, at=5.0))
    state.apply(Entry(address=at("s/a"), status=Status.SUCCESS, at=4.0))

    assert state.standing(at("s/a")).seconds == 0.0


def test_the_latest_round_of_a_stage_is_the_highest_that_was_written() -> None:
    state = _state(steps_only(step("a"), retry=2), (at("s"), Status.FAILURE), (at("s", round=2), Status.RUNNING))

    assert state.stage("s") == at("s", round=2)


def test_an_entry_of_a_step_shows_the_round_of_its_stage_too() -> None:
    state = _state(steps_only(step("a"), retry=2), (at("s/a", round=2), Status.RUNNING))

    assert state.stage("s") == at("s", round=2)


def test_attempts_are_counted_in_each_round_anew() -> None:
    state = _state(
        steps_only(step("a", retry=2), retry=1),
        (at("s/a"), Status.FAILURE),
        (at("s/a", attempt=2), Status.FAILURE),
        (at("s/a", round=2), Status.RUNNING),
    )

    assert state.step(at("s"), "a") == at("s/a", attempt=2)
    assert state.step(at("s", round=2), "a") == at("s/a", round=2)


def test_only_what_was_begun_and_has_not_ended_is_unfinished() -> None:
    of = steps_only(step("a"), step("b"), step("c"))

    state = _state(
        of,
        (at("s"), Status.RUNNING),
        (at("s/a"), Status.RUNNING),
        (at("s/a"), Status.SUCCESS),
        (at("s/b"), Status.RUNNING),
        (at("s/c"), Status.SKIPPED),
    )

    assert state.unfinished() == (at("s"), at("s/b"))


@pytest.mark.parametrize(("status", "opened"), [(Status.RUNNING, True), (Status.SKIPPED, False)])
def test_a_stage_has_a_workspace_once_a_step_was_begun(status: Status, opened: bool) -> None:  # noqa: FBT001 - a case
    assert _state(steps_only(step("a")), (at("s/a"), status)).opened(at("s")) is opened


@pytest.mark.parametrize("status", AGAIN)
def test_what_ended_badly_is_tried_again_as_often_as_asked(status: Status) -> None:
    assert [tried_again(status, tries, 2) for tries in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize("status", [status for status in Status if status not in AGAIN])
def test_what_ended_well_or_was_ended_on_purpose_is_not_tried_again(status: Status) -> None:
    assert not tried_again(status, 1, 2)


def test_a_stage_with_a_retry_left_is_not_done() -> None:
    of = steps_only(step("a"), retry=1)

    assert not _state(of, (at("s"), Status.FAILURE)).stage_done(of.stages[0])
    assert _state(of, (at("s"), Status.FAILURE), (at("s", round=2), Status.FAILURE)).stage_done(of.stages[0])


def test_a_step_with_a_retry_left_is_not_done() -> None:
    of = steps_only(step("a", retry=1))
    once, twice = (at("s/a"), Status.FAILURE), (at("s/a", attempt=2), Status.FAILURE)

    assert not _state(of, once).step_done(at("s"), of.stages[0].steps[0])
    assert _state(of, once, twice).step_done(at("s"), of.stages[0].steps[0])


@pytest.mark.parametrize("status", Status)
def test_rules_see_a_failure_once_a_step_has_ended_badly(status: Status) -> None:
    of = plan(stage("x", step("a")), stage("y", step("b")))
    expected = Status.FAILURE if status in AGAIN else Status.SUCCESS

    state = _state(of, (at("x/a"), status))

    assert [state.rule_status(found) for found in of.stages] == [expected, expected]


def test_rules_of_an_independent_stage_see_only_its_own_steps() -> None:
    of = plan(stage("x", step("a")), stage("y", step("b"), independent=True))

    state = _state(of, (at("x/a"), Status.FAILURE))

    assert state.rule_status(of.stage("y")) is Status.SUCCESS
    state.apply(Entry(address=at("y/b"), status=Status.FAILURE, at=1.0))
    assert state.rule_status(of.stage("y")) is Status.FAILURE


def test_rules_of_the_others_see_the_failure_of_an_independent_stage() -> None:
    of = plan(stage("x", step("a")), stage("y", step("b"), independent=True))

    assert _state(of, (at("y/b"), Status.FAILURE)).rule_status(of.stage("x")) is Status.FAILURE


def test_rules_see_no_failure_in_an_attempt_that_will_be_repeated() -> None:
    of = steps_only(step("a", retry=1))

    assert _state(of, (at("s/a"), Status.FAILURE)).rule_status(of.stages[0]) is Status.SUCCESS


def test_a_failure_in_a_round_that_will_be_repeated_is_seen_in_its_own_stage_only() -> None:
    of = plan(stage("x", step("a"), retry=1), stage("y", step("b")))

    state = _state(of, (at("x/a"), Status.FAILURE))

    assert state.rule_status(of.stage("x")) is Status.FAILURE
    assert state.rule_status(of.stage("y")) is Status.SUCCESS


def test_a_failure_in_the_last_round_is_seen_by_all() -> None:
    of = plan(stage("x", step("a"), retry=1), stage("y", step("b")))

    assert _state(of, (at("x/a", round=2), Status.FAILURE)).rule_status(of.stage("y")) is Status.FAILURE


@pytest.mark.parametrize("status", [Status.FAILURE, Status.TIMEOUT])
def test_continue_forgives_what_is_the_steps_own_doing(status: Status) -> None:
    of = steps_only(step("a", proceed=True))
    state = _state(of, (at("s/a"), status))

    assert state.rule_status(of.stages[0]) is Status.SUCCESS
    assert state.stage_outcome(at("s")) is Status.SUCCESS


@pytest.mark.parametrize("status", [Status.ERROR, Status.LOST, Status.CANCELLED])
def test_continue_does_not_forgive_what_is_not(status: Status) -> None:
    state = _state(steps_only(step("a", proceed=True)), (at("s/a"), status))

    assert state.stage_outcome(at("s")) is status


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((Status.SUCCESS, Status.SUCCESS), Status.SUCCESS),
        ((Status.SUCCESS, Status.SKIPPED), Status.SUCCESS),
        ((Status.SKIPPED, Status.SKIPPED), Status.SKIPPED),
        ((Status.TIMEOUT, Status.FAILURE), Status.FAILURE),
        ((Status.TIMEOUT, Status.SKIPPED), Status.TIMEOUT),
        ((Status.FAILURE, Status.LOST), Status.LOST),
        ((Status.LOST, Status.CANCELLED), Status.CANCELLED),
        ((Status.CANCELLED, Status.ERROR), Status.ERROR),
    ],
)
def test_a_stage_ends_as_the_worst_of_its_steps(statuses: tuple[Status, Status], outcome: Status) -> None:
    first, second = statuses

    state = _state(steps_only(step("a"), step("b")), (at("s/a"), first), (at("s/b"), second))

    assert state.stage_outcome(at("s")) is outcome


def test_a_stage_is_judged_by_the_last_attempt_of_a_step() -> None:
    of = steps_only(step("a", retry=1))

    state = _state(of, (at("s/a"), Status.FAILURE), (at("s/a", attempt=2), Status.SUCCESS))

    assert state.stage_outcome(at("s")) is Status.SUCCESS


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ERROR])
def test_how_a_detached_step_ends_means_nothing(status: Status) -> None:
    of = steps_only(step("d", detach=True), step("a"))
    state = _state(of, (at("s/d"), status), (at("s/a"), Status.SUCCESS))

    assert state.stage_outcome(at("s")) is Status.SUCCESS
    assert state.rule_status(of.stages[0]) is Status.SUCCESS


def test_a_detached_step_that_could_not_be_started_is_an_error_of_its_stage() -> None:
    state = _state(steps_only(step("d", detach=True)), (at("s/d"), Status.ERROR))

    assert state.stage_outcome(at("s")) is Status.ERROR


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((Status.SUCCESS, Status.SKIPPED), Status.SUCCESS),
        ((Status.SKIPPED, Status.SKIPPED), Status.SUCCESS),
        ((Status.SUCCESS, Status.TIMEOUT), Status.TIMEOUT),
        ((Status.TIMEOUT, Status.FAILURE), Status.FAILURE),
        ((Status.FAILURE, Status.LOST), Status.LOST),
        ((Status.CANCELLED, Status.ERROR), Status.ERROR),
        ((Status.NOT_RUN, Status.ERROR), Status.ERROR),
    ],
)
def test_a_run_ends_as_the_worst_of_its_stages(statuses: tuple[Status, Status], outcome: Status) -> None:
    of = plan(stage("x", step("a")), stage("y", step("b")))

    assert _state(of, (at("x"), statuses[0]), (at("y"), statuses[1])).run_outcome() is outcome


def test_a_stage_says_which_step_ended_it_and_how() -> None:
    state = RunState(RUN, steps_only(step("a"), step("b"), step("c")))
    state.apply(Entry(address=at("s/a"), status=Status.SUCCESS, at=0.0, exit_code=0))
    state.apply(Entry(address=at("s/b"), status=Status.FAILURE, at=1.0, exit_code=3))
    state.apply(Entry(address=at("s/c"), status=Status.LOST, at=2.0, reason="it vanished"))

    assert state.stage_reason(at("s"), Status.FAILURE) == "step b: exit code 3"
    assert state.stage_reason(at("s"), Status.LOST) == "step c: it vanished"
    assert state.stage_reason(at("s"), Status.SUCCESS) == ""


def test_a_stage_does_not_blame_a_step_that_was_forgiven() -> None:
    state = RunState(RUN, steps_only(step("a", proceed=True), step("b")))
    state.apply(Entry(address=at("s/a"), status=Status.FAILURE, at=0.0, exit_code=1))
    state.apply(Entry(address=at("s/b"), status=Status.FAILURE, at=1.0, exit_code=2))

    assert state.stage_reason(at("s"), Status.FAILURE) == "step b: exit code 2"


def test_a_run_says_which_stage_ended_it() -> None:
    state = RunState(RUN, plan(stage("x", step("a")), stage("y", step("b"))))
    state.apply(Entry(address=at("x"), status=Status.SUCCESS, at=0.0))
    state.apply(Entry(address=at("y"), status=Status.FAILURE, at=1.0, reason="step b: exit code 1"))

    assert state.run_reason(Status.FAILURE) == "stage y: step b: exit code 1"
    assert state.run_reason(Status.SUCCESS) == ""


@pytest.mark.parametrize("proceed", [False, True])
def test_continue_on_a_stage_counts_for_its_steps(*, proceed: bool) -> None:
    state = _state(steps_only(step("a"), ruleset=Ruleset(proceed=proceed)), (at("s/a"), Status.FAILURE))

    assert state.stage_outcome(at("s")) is (Status.SUCCESS if proceed else Status.FAILURE)


@pytest.mark.parametrize("status", [Status.FAILURE, Status.TIMEOUT, Status.LOST, Status.ERROR])
def test_a_step_that_did_not_fetch_its_secrets_is_an_error_to_its_stage(status: Status) -> None:
    of = plan(stage(ORIGINS, step("vault")), stage("s", step("a"), needs=(ORIGINS,)))

    state = _state(of, (at("@secrets/vault"), status))

    assert state.stage_outcome(at(ORIGINS)) is Status.ERROR


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.CANCELLED])
def test_other_ends_of_such_a_step_are_what_they_are(status: Status) -> None:
    assert (
        _state(plan(stage(ORIGINS, step("vault"))), (at("@secrets/vault"), status)).stage_outcome(at(ORIGINS)) is status
    )


def test_a_run_without_its_secrets_says_which_plugin_failed_and_how() -> None:
    state = _state(plan(stage(ORIGINS, step("vault"))), (at("@secrets/vault"), Status.RUNNING))
    state.apply(Entry(address=at("@secrets/vault"), status=Status.FAILURE, at=1.0, exit_code=3))
    reason = state.stage_reason(at(ORIGINS), Status.ERROR)
    state.apply(Entry(address=at(ORIGINS), status=Status.ERROR, at=1.0, reason=reason))

    assert reason == "origin secret plugin vault ended with exit code 3"
    assert state.run_reason(Status.ERROR) == reason


def test_the_status_of_the_run_is_the_same_for_a_stage_that_is_independent() -> None:
    of = plan(stage("x", step("a")), stage("y", step("b"), independent=True))
    state = _state(of, (at("x/a"), Status.FAILURE))

    assert (state.rule_status(of.stage("y")), state.run_status(of.stage("y"))) == (Status.SUCCESS, Status.FAILURE)


def _attempts(on_lost: OnLost, *statuses: Status, retry: int = 0) -> bool:
    """Say whether a step is tried again whose attempts have ended like this."""
    of = steps_only(step("a", retry=retry), on_lost=on_lost)
    attempts = [at("s/a", attempt=number) for number in range(1, len(statuses) + 1)]
    entries = [Entry(address=a, status=status, at=0.0) for a, status in zip(attempts, statuses, strict=True)]
    state = RunState(RUN, of, entries)
    assert state.step_done(at("s"), of.stages[0].steps[0]) is not state.comes_again(attempts[-1], of.stages[0].steps[0])
    return state.comes_again(attempts[-1], of.stages[0].steps[0])


LOST, FAILURE = Status.LOST, Status.FAILURE


@pytest.mark.parametrize(
    ("statuses", "retry", "again"),
    [
        ([LOST], 0, True),
        ([LOST] * MOST_LOSSES, 0, True),
        ([LOST] * (MOST_LOSSES + 1), 0, False),
        ([LOST] * (MOST_LOSSES + 1), 1, True),
        ([LOST] * (MOST_LOSSES + 2), 1, False),
        ([LOST, FAILURE], 0, False),
        ([LOST, LOST, FAILURE], 1, True),
        ([FAILURE, LOST], 1, True),
        ([FAILURE, LOST, FAILURE], 1, False),
        ([LOST, Status.SUCCESS], 1, False),
        ([LOST, Status.CANCELLED], 1, False),
    ],
)
def test_what_was_lost_is_made_up_for_beside_what_is_retried(
    statuses: list[Status], retry: int, *, again: bool
) -> None:
    assert _attempts(OnLost.RERUN, *statuses, retry=retry) is again


def test_what_was_lost_counts_as_any_other_attempt_unless_the_stage_says_more() -> None:
    assert not _attempts(OnLost.FAIL, LOST)
    assert _attempts(OnLost.FAIL, LOST, retry=1)
    assert not _attempts(OnLost.FAIL, LOST, LOST, retry=1)


def test_a_run_has_begun_with_its_first_stage_or_service_not_with_what_it_has_taken_over() -> None:
    state = RunState(RUN, plan(stage("x", step("a")), stage("y", step("b"))))
    state.apply(Entry(address=Address(RUN), status=Status.RUNNING, at=0.0))
    state.apply(Entry(address=at("x"), status=Status.SUCCESS, at=0.0))
    assert not state.begun()

    state.apply(Entry(address=at("y"), status=Status.RUNNING, at=0.0))
    assert state.begun()


def test_the_layer_of_a_stage_that_was_taken_over_is_that_of_the_other_run() -> None:
    other = Address("feedbeef", "x", round=2)
    state = RunState(RUN, plan(stage("x", step("a")), stage("y", step("b"))), inherited={"x": other})

    assert (state.layer("x"), state.layer("y")) == (other, None)


def test_the_latest_moment_is_that_of_the_last_entry_and_never_goes_back() -> None:
    state = RunState(RUN, steps_only(step("a")))
    moments = [state.latest]
    for when in (2.0, 1.5, 3.0):
        state.apply(Entry(address=at("s/a"), status=Status.RUNNING, at=when))
        moments.append(state.latest)

    assert moments == [0.0, 2.0, 2.0, 3.0]


@pytest.mark.parametrize("blocked_by", BlockedBy)
def test_the_stage_that_has_made_the_run_a_failure_is_told_by_name(blocked_by: BlockedBy) -> None:
    of = plan(stage("x", step("a")), stage("y", step("b")), stage("z", step("c"), blocked_by=blocked_by))

    state = _state(of, (at("y/b"), Status.FAILURE))

    assert [state.failed(each) for each in of.stages] == ["y", "y", "y"]
    assert _state(of, (at("y/b"), Status.SUCCESS)).failed(of.stages[2]) is None


def test_a_stage_that_may_fail_is_a_failure_to_itself_only() -> None:
    of = plan(stage("x", step("a"), allow_failure=True), stage("y", step("b")))

    state = _state(of, (at("x/a"), Status.FAILURE))

    assert (state.failed(of.stage("x")), state.failed(of.stage("y"))) == ("x", None)
    assert (state.run_status(of.stage("x")), state.run_status(of.stage("y"))) == (Status.FAILURE, Status.SUCCESS)


def test_a_stage_that_ended_by_its_fault_is_a_failure_though_no_step_of_it_has_begun() -> None:
    of = plan(stage("x", step("a"), fault="it is not there"), stage("y", step("b")))

    assert _state(of).failed(of.stage("y")) is None
    assert _state(of, (at("x"), Status.FAILURE)).failed(of.stage("y")) == "x"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (Status.FAILURE, Status.SUCCESS),
        (Status.TIMEOUT, Status.SUCCESS),
        (Status.ERROR, Status.ERROR),
        (Status.LOST, Status.LOST),
        (Status.CANCELLED, Status.CANCELLED),
    ],
)
def test_of_a_stage_that_may_fail_only_its_own_doing_is_forgiven(status: Status, outcome: Status) -> None:
    of = plan(stage("x", step("a"), allow_failure=True), stage("y", step("b")))

    assert _state(of, (at("x"), status), (at("y"), Status.SUCCESS)).run_outcome() is outcome


def test_a_run_does_not_blame_a_stage_that_may_fail() -> None:
    of = plan(stage("x", step("a"), allow_failure=True), stage("y", step("b")))
    state = RunState(RUN, of)
    state.apply(Entry(address=at("x"), status=Status.FAILURE, at=0.0, reason="step a: exit code 1"))
    state.apply(Entry(address=at("y"), status=Status.FAILURE, at=1.0, reason="step b: exit code 2"))

    assert state.run_reason(Status.FAILURE) == "stage y: step b: exit code 2"
