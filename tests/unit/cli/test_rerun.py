from pathlib import Path

import pytest

from runner.dispatch.requests import Again
from runner.plan import codec
from tests.support.api_stand import END, events, failure, submitted
from tests.support.faces import RUN
from tests.support.remote import PLAN, STORY, Remote, report

RERUN = "POST /runs/0000beef/rerun"


def _asked(remote: Remote) -> Again:
    return codec.decode(Again, remote.stand.bodies(RERUN)[-1])


@pytest.mark.parametrize(
    ("options", "again"),
    [
        ((), Again()),
        (("--from", "deploy"), Again(from_stage="deploy")),
        (("--failed",), Again(failed=True)),
        (("--property", "a=1", "--property", "b="), Again(properties={"a": "1", "b": ""})),
    ],
)
def test_a_run_is_asked_for_once_more(remote: Remote, options: tuple[str, ...], again: Again) -> None:
    remote.stand.on(RERUN, submitted(RUN))

    assert remote.call("rerun", "0000beef", *options) == 0

    assert _asked(remote) == again
    assert (remote.out, remote.err) == (f"{RUN}\n", "")


def test_secrets_can_be_given_anew(remote: Remote, tmp_path: Path) -> None:
    remote.stand.on(RERUN, submitted(RUN))
    (tmp_path / "key").write_text("hunter2\n")

    assert remote.call("rerun", "0000beef", "--secret", f"key=@{tmp_path}/key", "--output", "json") == 0

    assert _asked(remote).secrets == {"key": "hunter2"}
    assert remote.document == {"id": RUN}


def test_the_new_run_can_be_followed(remote: Remote) -> None:
    remote.stand.on(RERUN, submitted(RUN))
    remote.stand.has(RUN, events(*STORY, END), plan=PLAN, report=report())

    assert remote.call("rerun", "0000beef", "--failed", "-f") == 0

    assert remote.out.splitlines()[0] == f"run {RUN}"
    assert "build/one | hello" in remote.out


def test_two_ways_to_name_a_stage_do_not_go_together(remote: Remote) -> None:
    assert remote.call("rerun", "0000beef", "--from", "a", "--failed") == 2

    assert "--from and --failed do not go together" in remote.err
    assert remote.stand.asked == []


def test_workspaces_that_are_gone_are_told(remote: Remote) -> None:
    remote.stand.on(RERUN, failure(409, "the workspaces of run 0000beef are not kept any more", hint="rerun all of it"))

    assert remote.call("rerun", "0000beef", "--failed") == 2

    assert remote.err == "runner: the workspaces of run 0000beef are not kept any more\n        rerun all of it\n"
