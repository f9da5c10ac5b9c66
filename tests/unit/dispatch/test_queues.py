from hypothesis import given
from hypothesis import strategies as st

from runner.dispatch.queues import chosen
from runner.store.sql.runs import Waiting


def _run(number: int, *, queue: str = "q", priority: int = 0, pipeline: str = "", cancelled: bool = False) -> Waiting:
    return Waiting(
        id=f"r{number}", queue=queue, priority=priority, pipeline=pipeline, number=number, cancelled=cancelled
    )


def _ids(*runs: Waiting, going: tuple[Waiting, ...] = (), **limits: int) -> list[str]:
    return [run.id for run in chosen(runs, going, limits)]


def test_runs_begin_in_the_order_in_which_they_came() -> None:
    assert _ids(_run(2), _run(1), _run(3), q=3) == ["r1", "r2", "r3"]


def test_no_more_begin_than_the_limit_leaves_room_for() -> None:
    assert _ids(_run(1), _run(2), _run(3), going=(_run(9),), q=2) == ["r1"]
    assert _ids(_run(1), going=(_run(8), _run(9)), q=2) == []


def test_a_queue_that_is_full_holds_up_no_other() -> None:
    runs = (_run(1, queue="full"), _run(2, queue="free"))

    assert _ids(*runs, going=(_run(9, queue="full"),), full=1, free=1) == ["r2"]


def test_of_a_queue_that_no_setting_knows_one_run_goes_on_at_a_time() -> None:
    assert _ids(_run(1, queue="old"), _run(2, queue="old"), q=4) == ["r1"]


def test_the_higher_priority_begins_first_whatever_came_before() -> None:
    assert _ids(_run(1), _run(2, priority=5), _run(3, priority=-1), q=2) == ["r2", "r1"]


def test_a_pipeline_with_many_runs_leaves_others_their_turn() -> None:
    flood = tuple(_run(number, pipeline="flood") for number in range(1, 6))

    assert _ids(*flood, _run(6, pipeline="other"), q=2) == ["r1", "r6"]
    assert _ids(*flood, _run(6, pipeline="other"), going=(_run(0, pipeline="flood"),), q=2) == ["r6"]


def test_runs_that_go_on_in_another_queue_do_not_count_against_a_pipeline() -> None:
    going = (_run(0, queue="slow", pipeline="a"),)

    assert _ids(_run(1, pipeline="a"), _run(2, pipeline="b"), going=going, q=1, slow=1) == ["r1"]


def test_cancelled_runs_take_no_turn() -> None:
    assert _ids(_run(1, cancelled=True), _run(2), q=1) == ["r2"]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-1, 1), st.sampled_from("xyz")), max_size=30),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_the_limits_hold_and_no_place_stays_empty(found: list[tuple[str, int, str]], a: int, b: int) -> None:
    runs = [_run(n, queue=queue, priority=priority, pipeline=name) for n, (queue, priority, name) in enumerate(found)]

    begun = chosen(runs, (), {"a": a, "b": b})

    for queue, limit in (("a", a), ("b", b)):
        waiting = [run for run in runs if run.queue == queue]
        assert len([run for run in begun if run.queue == queue]) == min(limit, len(waiting))
    assert len({run.id for run in begun}) == len(begun)
