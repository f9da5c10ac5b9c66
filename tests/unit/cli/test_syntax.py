"""Commands that no shell can read."""

import pytest

from runner.cli.syntax import explain
from runner.engine.journal import Entry
from runner.engine.report import report
from runner.engine.state import RunState
from runner.naming import Address
from runner.pipelinectl.values import Store, values_of
from runner.plan.model import Fork, Plan, Stage, Step
from runner.plan.status import Status


def _told(*commands: str, exit_code: int = 2, shell: str = "") -> list[str]:
    plan = Plan(
        dialect="vela",
        stages=(Stage(name="a", steps=(Step(name="s", image="i", commands=commands, shell=shell),)),),
    )
    ended = Entry(address=Address("r", "a", "s"), status=Status.FAILURE, at=1.0, exit_code=exit_code)
    return list(explain(plan, report(RunState("r", plan, [ended]), values_of(Store()))))


def test_the_command_with_a_quote_too_many_is_named() -> None:
    (told,) = _told("sleep 10", 'echo "done""')

    assert told.startswith("a/s: command 2 cannot be read by a shell: ")
    assert told.endswith(': echo "done""')
    assert "quote" in told.lower() or "end of file" in told.lower()


@pytest.mark.parametrize("commands", [("echo one", "exit 2"), ("if true; then", "exit 2", "fi"), ("grep x /none",)])
def test_commands_that_can_be_read_together_are_not_blamed(commands: tuple[str, ...]) -> None:
    assert _told(*commands) == []


def test_another_exit_code_has_another_reason() -> None:
    assert _told('echo "done""', exit_code=1) == []


def test_a_step_with_a_shell_of_its_own_is_left_to_it() -> None:
    assert _told('echo "done""', shell="fish") == []


def test_nothing_of_the_commands_is_run(capfd: pytest.CaptureFixture[str]) -> None:
    _told("echo run >&2", 'echo "')

    assert "run" not in capfd.readouterr().err


def test_a_step_of_a_branch_is_that_of_its_stage() -> None:
    each = Stage(name="each", steps=(Step(name="s", image="i", commands=('echo "done""',)),), fork=Fork(values=["x"]))
    plan = Plan(dialect="metalus", stages=(each,))
    entries = [
        Entry(address=Address("r", "each"), status=Status.SUCCESS, at=1.0, branches=1),
        Entry(address=Address("r", "each[0]", "s"), status=Status.FAILURE, at=1.0, exit_code=2),
    ]

    (told,) = explain(plan, report(RunState("r", plan, entries), values_of(Store())))

    assert told.startswith("each[0]/s: command 1 cannot be read by a shell: ")
