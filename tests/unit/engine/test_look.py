import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import Terminal
from runner.engine.job import Job, Keep
from runner.engine.look import look_around_in
from runner.engine.origins import unfold
from runner.engine.specs import Release, StepSpec
from runner.errors import ConflictError, InfrastructureError
from runner.naming import Address
from runner.plan.model import Plan, SecretUse
from tests.support.engine import RUN, SCALE, Life, Recorders, at
from tests.support.plans import plan, stage, step

BAD = plan(
    stage("a", step("x", fake={"FAKE_OUTPUT": "LEFT=1"})),
    stage(
        "b",
        step("y", 1, retry=1, secrets=(SecretUse(source="token", target="TOKEN"),)),
        step("late", status=["failure"]),
        step("left out"),
        needs=("a",),
    ),
    stage("c", step("x"), needs=("b",)),
    outputs="/outputs",
)


class _Seen(FakeBackend):
    """Notes what a shell is opened with."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.seen: list[tuple[StepSpec, Release]] = []
        self.opened: list[tuple[Address, ...]] = []
        self.error: InfrastructureError | None = None

    def shell(self, step: StepSpec, release: Release, terminal: Terminal) -> None:
        self.opened.append(self.world.layers[step.address.of_stage()])
        self.seen.append((step, release))
        if self.error is not None:
            raise self.error
        super().shell(step, release, terminal)


class _Keys:
    """A person who leaves at once."""

    def __init__(self, keys: int) -> None:
        self._keys = keys
        self.shown = b""

    def fileno(self) -> int:
        return self._keys

    def write(self, data: bytes) -> None:
        self.shown += data

    def size(self) -> tuple[int, int]:
        return 0, 0

    def closed(self) -> bool:
        return False


@contextmanager
def _terminal() -> Iterator[_Keys]:
    keys, typed = os.pipe()
    os.write(typed, b"exit\n")
    os.close(typed)
    try:
        yield _Keys(keys)
    finally:
        os.close(keys)


class Kept:
    """A run that has failed, and was kept."""

    def __init__(self, of: Plan) -> None:
        self.backend = _Seen(World(scale=SCALE))
        self.life = Life(of, backend=self.backend, keep=Keep.FAILED, secrets={"token": "hunter2"})
        self.result = self.life.start().finish()

    def look(self, path: str, **job: object) -> _Keys:
        known = Job(id=RUN, plan=unfold(self.life.plan), secrets={"token": "hunter2"}, **job)  # type: ignore[arg-type]  # of `Job`
        with _terminal() as terminal:
            look_around_in(
                known,
                at(path),
                terminal,
                journal=self.life.journal,
                backend=self.backend,
                logs=Recorders(),
            )
        return terminal


@pytest.fixture
def kept() -> Kept:
    return Kept(BAD)


def test_a_person_looks_around_as_the_last_attempt_of_a_step_did(kept: Kept) -> None:
    terminal = kept.look("b/y")

    ((spec, release),) = kept.backend.seen
    assert spec.address == at("b/y", attempt=2)
    assert release.environment["TOKEN"] == "hunter2"
    assert release.environment["LEFT"] == "1"
    assert kept.backend.opened == [(at("a"),)]
    assert terminal.shown


def test_without_a_step_it_is_the_first_one_that_failed_else_the_last(kept: Kept) -> None:
    kept.look("b")
    kept.look("a")

    failed, last = (spec.address for spec, _ in kept.backend.seen)
    assert (failed, last.stage) == (at("b/y", attempt=2), "a")


@pytest.mark.parametrize(
    ("path", "what"), [("c", "stage c"), ("c/x", "step x of stage c"), ("b/left out", "step left out of stage b")]
)
def test_where_nothing_has_begun_nobody_looks_around(kept: Kept, path: str, what: str) -> None:
    with pytest.raises(ConflictError, match=f"{what} has not begun in run {RUN}") as caught:
        kept.look(path)

    assert "runner show" in caught.value.hint
    assert not kept.backend.seen


def test_nothing_is_written_to_the_journal_and_the_run_stays_kept(kept: Kept) -> None:
    before = kept.life.journal.read()

    kept.look("b")

    assert kept.life.journal.read() == before
    assert kept.backend.world.kept == {RUN}
    assert not leftovers(kept.backend.world)


def test_a_shell_that_fails_leaves_nothing_but_what_was_kept(kept: Kept) -> None:
    kept.backend.error = InfrastructureError("the image is gone")

    with pytest.raises(InfrastructureError, match="the image is gone"):
        kept.look("b")
    assert kept.backend.world.kept == {RUN}
    assert not leftovers(kept.backend.world)


def test_a_stage_of_a_rerun_stands_on_the_layers_that_it_has_taken_over() -> None:
    kept = Kept(plan(stage("b", step("y", 1), needs=("a",)), stage("a", step("x"))))
    older = Address("feedbeef", "a")
    kept.backend.world.kept.add("feedbeef")

    kept.look("b", inherited={"a": older})

    assert kept.backend.opened == [(older,)]
