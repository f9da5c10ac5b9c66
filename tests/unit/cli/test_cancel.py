import pytest

from runner.plan import codec
from tests.support.api_stand import answer, failure, summary
from tests.support.faces import RUN
from tests.support.remote import Remote

CANCEL = f"POST /runs/{RUN}/cancel"


@pytest.mark.parametrize(("options", "force"), [((), False), (("--force",), True)])
def test_a_run_is_told_to_end_without_its_async_stages(remote: Remote, options: tuple[str, ...], force: object) -> None:
    remote.stand.on(CANCEL, answer(status=202))

    assert remote.call("cancel", RUN, *options) == 0

    assert remote.stand.bodies(CANCEL) == [{"force": force, "children": False}]
    assert remote.out == f"run {RUN} is told to end\n"


def test_its_async_stages_are_told_to_end_when_they_are_meant(remote: Remote) -> None:
    remote.stand.on(CANCEL, answer(status=202))

    assert remote.call("cancel", RUN, "--with-children") == 0

    assert remote.stand.bodies(CANCEL) == [{"force": False, "children": True}]
    assert remote.out == f"run {RUN} is told to end, with its async stages\n"


def test_the_last_run_can_be_cancelled_as_such(remote: Remote) -> None:
    remote.stand.on("GET /runs", answer({"runs": [codec.encode(summary(RUN))]}))
    remote.stand.on(CANCEL, answer(status=202))

    assert remote.call("cancel", "last") == 0

    assert remote.stand.bodies(CANCEL) == [{"force": False, "children": False}]


def test_a_run_that_has_ended_cannot_be_cancelled(remote: Remote) -> None:
    remote.stand.on(CANCEL, failure(409, f"run {RUN} has ended"))

    assert remote.call("cancel", RUN) == 2

    assert (remote.out, remote.err) == ("", f"runner: run {RUN} has ended\n")
