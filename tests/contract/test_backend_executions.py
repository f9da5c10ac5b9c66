"""The contract of ``runner.engine.backend``, as far as executions need it, against every backend.

That is what steps return, what branches leave for the stage behind their fork, and a run that is paused.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner import naming
from runner.engine.backend import Phase, Readiness
from runner.engine.specs import Gathered, RunSpec, StageSpec
from runner.errors import InfrastructureError, WorkspaceError
from runner.naming import Address, new_run_id
from runner.pipelinectl import layout
from runner.pipelinectl.layout import Kind
from runner.pipelinectl.returns import Asked, Returned, Wish, returned
from runner.plan.model import Service, Step, Workspace
from tests.support.backends import PLACES, Bench, Place
from tests.support.plans import IMAGE


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with PLACES[request.param]() as found:
        yield found


@pytest.fixture
def bench(place: Place) -> Iterator[Bench]:
    found = Bench(place, RunSpec(id=new_run_id(), home="/workspace", workdir="/workspace", outputs="/workspace/out"))
    yield found
    found.close()
    assert place.left(found.run.id) == ()


def _run(bench: Bench, name: str, *commands: str, **environment: str) -> Address:
    """Run a step that succeeds; the variables say what a fake one does."""
    address, listener = bench.released(Step(name=name, image=IMAGE, commands=commands, environment=environment))
    assert bench.ending(address, listener).exit_code == 0, listener.lines
    return address


def _returned(bench: Bench, attempt: Address) -> Returned | None:
    return returned(bench.backend.returns(bench.run.id)).get(naming.returns(attempt))


def test_what_a_step_returns_is_found_under_its_name(bench: Bench) -> None:
    assert bench.backend.returns(bench.run.id) == {}

    first = _run(
        bench,
        "a",
        """set_return --json '{"n": [1, null]}'; set_global --json g '[2]'; set_link l '!s.x || none'""",
        """set_env k "a b"; pipelinectl skip "not today" """,
        FAKE_SET_RETURN='{"n": [1, null]}',
        FAKE_SET_GLOBAL="g=[2]",
        FAKE_SET_LINK="l=!s.x || none",
        FAKE_SET_ENV="k=a b",
        FAKE_WISH="skip:not today",
        RUNNER_MAPPED="1",
    )
    second = _run(bench, "b", "set_return 'plain text'; set_env k 2", FAKE_SET_RETURN="plain text", FAKE_SET_ENV="k=2")

    assert _returned(bench, first) == Returned(
        primary={"n": [1, None]},
        named={"k": "a b"},
        globals={"g": [2]},
        links={"l": "!s.x || none"},
        wish=Wish(asked=Asked.SKIP, message="not today"),
    )
    assert _returned(bench, second) == Returned(primary="plain text")
    assert _returned(bench, replace(second, attempt=2)) is None


def test_what_returns_changes_is_seen_at_once_each_time(bench: Bench) -> None:
    for number in range(4):
        last = _run(bench, f"step {number}", f"set_return {number}", FAKE_SET_RETURN=f'"{number}"')
        assert bench.backend.returns(bench.run.id) == bench.backend.returns(bench.run.id)
        assert _returned(bench, last) == Returned(primary=str(number))

    assert len(bench.backend.returns(bench.run.id)) == 4


def test_a_step_that_is_not_told_its_name_cannot_return_anything(bench: Bench) -> None:
    step = Step(
        name="a", image=IMAGE, commands=("set_return 1",), environment={"FAKE_SET_RETURN": "1", layout.STEP: ""}
    )

    assert bench.ending(*bench.released(step)).exit_code not in (0, None)
    assert bench.backend.returns(bench.run.id) == {}


def test_a_run_begins_with_what_an_earlier_one_has_returned_and_keeps_what_it_has_when_it_is_opened_again(
    place: Place,
) -> None:
    first = layout.entry(Kind.PRIMARY, "old", None, b"json\n[1]") | layout.entry(Kind.NAMED, "old", "x" * 200, b"2\n")
    bench = Bench(place, RunSpec(id=new_run_id(), home="/w", workdir="/w", returned=first))
    assert bench.backend.returns(bench.run.id) == first

    mine = _run(bench, "a", "set_return --json 3", FAKE_SET_RETURN="3")
    before = bench.backend.returns(bench.run.id)
    bench.reborn()

    assert bench.backend.returns(bench.run.id) == before
    assert _returned(bench, mine) == Returned(primary=3)
    bench.close()
    assert place.left(bench.run.id) == ()


def test_returns_are_those_of_one_open_run(bench: Bench, place: Place) -> None:
    _run(bench, "a", "set_return 1", FAKE_SET_RETURN="1")
    other = Bench(place)

    assert other.backend.returns(other.run.id) == {}
    with pytest.raises(InfrastructureError):
        other.backend.returns("feedbeef")
    other.close()
    with pytest.raises(InfrastructureError):
        other.backend.returns(other.run.id)


def _branch(bench: Bench, name: str, *files: str) -> Address:
    """Let a stage leave files."""
    bench.stand(name)
    script = "".join(f"mkdir -p $(dirname {file}) && echo {file} >{file}; " for file in files)
    _run(bench, "leave", script or ":", FAKE_FILES=":".join(files))
    bench.backend.close_stage(bench.stage, needed=True)
    return bench.stage


def _seen(bench: Bench, target: Path) -> list[str]:
    """Return the files that a stage sees in its tree, as far as every backend knows them."""
    bench.backend.collect(replace(bench.stage, step="leave"), ("*",), target, wanted=lambda: True)
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())


def test_what_branches_have_left_is_gathered_once_for_each_round_of_a_stage(bench: Bench, tmp_path: Path) -> None:
    first, second = _branch(bench, "each[0]", "sub/a", "b"), _branch(bench, "each[1]", "sub/a")
    then = _branch(bench, "then[1]", "c")
    gathered = (
        Gathered(path="branches/each/0", layers=(first,)),
        Gathered(path="branches/each/1", layers=(second, then)),
        Gathered(path="branches/each/2", layers=(Address(bench.run.id, "each[2]"),)),
    )
    expected = ["branches/each/0/b", "branches/each/0/sub/a", "branches/each/1/c", "branches/each/1/sub/a"]

    bench.stand("join", gathered=gathered)
    assert _seen(bench, tmp_path / "first") == expected
    _run(bench, "leave", "echo >mine", FAKE_FILES="mine")
    bench.reborn()
    bench.stand("join", gathered=gathered)
    assert _seen(bench, tmp_path / "again") == [*expected, "mine"]

    bench.backend.open_stage(StageSpec(address=replace(bench.stage, round=2), gathered=gathered), bench.losses.append)
    attempt = replace(bench.stage, round=2, step="leave")
    bench.backend.collect(attempt, ("*",), tmp_path / "round", wanted=lambda: True)
    assert not (tmp_path / "round" / "mine").exists()
    assert (tmp_path / "round" / expected[0]).exists()


@pytest.mark.parametrize("workspace", [Workspace.SHARED, Workspace.NONE])
def test_a_stage_without_a_tree_of_its_own_gets_nothing_gathered(
    bench: Bench, tmp_path: Path, workspace: Workspace
) -> None:
    gathered = (Gathered(path="each/0", layers=(_branch(bench, "each[0]", "a"),)),)

    bench.stand("join", gathered=gathered, workspace=workspace)

    assert _seen(bench, tmp_path / "seen") == []


def test_branches_that_a_run_has_left_which_is_gone_cannot_be_gathered(
    bench: Bench, place: Place, tmp_path: Path
) -> None:
    branch = _branch(bench, "each[0]", "a")
    bench.backend.close_run(bench.run, keep=True)
    other = Bench(place)
    gathered = (Gathered(path="each/0", layers=(branch,)),)
    other.stand("join", gathered=gathered)
    assert _seen(other, tmp_path / "seen") == ["each/0/a"]
    other.backend.close_stage(other.stage, needed=False)

    bench.close()

    with pytest.raises(WorkspaceError, match=r"each\[0\]"):
        other.stand("late", gathered=gathered)
    other.close()


DB = Service(name="db", image=IMAGE, entrypoint=("sh", "-c", "exec sleep 600"), environment={"FAKE_HANG": "1"})


@pytest.mark.parametrize("reborn", [False, True], ids=["the same client", "a new one"])
def test_a_run_that_was_closed_to_be_kept_goes_on_where_it_was(
    bench: Bench,
    place: Place,
    tmp_path: Path,
    reborn: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    commands = ("echo x >file; set_env k v; set_return --json 1; echo A=1 >>out/.env; pipelinectl pause",)
    fake = {"FAKE_FILES": "file", "FAKE_SET_ENV": "k=v", "FAKE_SET_RETURN": "1", "FAKE_OUTPUT": "A=1"}
    before = Step(name="before", image=IMAGE, commands=commands, environment={**fake, "FAKE_WISH": "pause"})
    service, first = bench.serving(DB), bench.released(before)
    assert bench.ending(*first).exit_code == 0
    bench.backend.prepare(bench.spec(replace(before, name="ahead")))
    kept = bench.backend.returns(bench.run.id), bench.backend.values(bench.run.id, wanted=lambda: True)
    bench.backend.close_run(bench.run, keep=True)
    assert not any("container" in what or "network" in what for what in place.left(bench.run.id))

    if reborn:
        bench.reborn()
    else:
        bench.open()

    assert (bench.backend.returns(bench.run.id), bench.backend.values(bench.run.id, wanted=lambda: True)) == kept
    assert bench.backend.outputs(bench.stage) == {".env": b"A=1\n"}
    assert bench.backend.prepare(bench.spec(before)) is Phase.GONE
    assert bench.serving(DB) == service
    assert bench.backend.probe(service, None) == Readiness(ready=True)
    _run(bench, "ahead", "cat file; [ $(get_env k) = v ]; nslookup db")
    assert "file" in _seen(bench, tmp_path / "seen")
