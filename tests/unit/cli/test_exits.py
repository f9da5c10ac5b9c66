import pytest

from runner.cli.exits import exit_code, nothing_to_run
from runner.plan.model import Plan
from runner.plan.status import Status


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.SUCCESS, 0),
        (Status.FAILURE, 1),
        (Status.ERROR, 3),
        (Status.LOST, 3),
        (Status.PAUSED, 4),
        (Status.TIMEOUT, 5),
        (Status.CANCELLED, 130),
    ],
)
def test_the_end_of_a_run_is_an_exit_code(status: Status, code: int) -> None:
    assert exit_code(status) == code
    assert exit_code(status.value) == code


def test_what_there_was_no_need_for_has_a_document_too() -> None:
    document = nothing_to_run(Plan(dialect="vela", stages=()))

    assert (document["run"]["id"], document["run"]["status"], document["stages"]) == ("", "skipped", [])
    assert document["run"]["reason"] == "nothing to run"
