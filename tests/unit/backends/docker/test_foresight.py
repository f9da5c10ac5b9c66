"""Which answers that were asked for beforehand are used, and which are asked for again."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from runner.backends.docker import foresight
from runner.backends.docker.foresight import Foresight
from runner.backends.docker.images import Image
from runner.clock import Deadline
from runner.engine.specs import StepSpec
from runner.errors import InfrastructureError
from runner.naming import Address
from tests.support.hooked import DEADLINE

STAGE, OTHER = Address("aa", "s"), Address("aa", "t")
ONE, TWO, THREE = (Address("aa", "s", name) for name in ("one", "two", "three"))


@dataclass
class Stand:
    """Exits that a test tells of, and answers that say how often something was asked.

    ``watched`` are the containers whose exits are heard of. While ``gate`` is shut nothing is answered beforehand, and
    with ``fails`` it fails. ``code`` is how each container has ended, ``succeeded`` has those that are told of.
    """

    watched: dict[str, Callable[[int], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    fails: bool = False
    code: int | None = None
    succeeded: list[str] = field(default_factory=list)
    foresight: Foresight = field(init=False)

    def __post_init__(self) -> None:
        self.gate.set()
        self.foresight = Foresight(
            self,  # type: ignore[arg-type]  # it has a `watch`
            self._outputs,
            self._describe,
            self.succeeded.append,
        )

    def watch(self, container: str, gone: Callable[[int], None]) -> None:
        self.watched[container] = gone

    def _outputs(self, stage: Address) -> Mapping[str, bytes]:
        return {"number": str(self._answer(str(stage))).encode()}

    def _describe(self, image: str) -> Image:
        return Image(id=f"{image} {self._answer(image)}")

    def _answer(self, what: str) -> int:
        self.asked.append(what)
        number = len(self.asked)
        if threading.current_thread().name.startswith("foresight"):
            assert self.gate.wait(DEADLINE)
            if self.fails:
                raise InfrastructureError("not now")
        return number

    def exit(self, container: str, process: int | None = None) -> None:
        self.until(lambda: container in self.watched)
        self.watched[container](os.open(os.devnull, os.O_RDONLY) if process is None else process)

    def settle(self) -> None:
        """Wait until all that was begun has been done."""
        self.foresight._threads.submit(lambda: None).result()

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = Deadline(DEADLINE)
        while not condition():
            assert not deadline.passed
            threading.Event().wait(0.005)

    def release(self, address: Address, container: str) -> None:
        self.foresight.releasing(address, container)
        self.foresight.released(address, container)

    def run(self, address: Address = ONE, container: str = "c1") -> None:
        """Release an attempt and let it exit; return when its outputs are being asked for."""
        self.release(address, container)
        before = len(self.asked)
        self.exit(container)
        self.until(lambda: len(self.asked) > before)


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    found = Stand()
    monkeypatch.setattr(foresight, "exit_code", lambda _: found.code)
    yield found
    found.gate.set()
    found.foresight.close()


def _step(address: Address, image: str = "busybox") -> StepSpec:
    return StepSpec(address=address, image=image)


def test_what_a_step_has_left_is_asked_for_at_its_exit_and_used_once(stand: Stand) -> None:
    stand.run()

    assert stand.foresight.outputs(STAGE) == {"number": b"1"}
    assert stand.asked == [str(STAGE)]
    assert stand.foresight.outputs(STAGE) == {"number": b"2"}


def test_the_answer_is_waited_for_when_somebody_is_asking(stand: Stand) -> None:
    stand.gate.clear()
    stand.run()
    threading.Timer(0.1, stand.gate.set).start()

    assert stand.foresight.outputs(STAGE) == {"number": b"1"}
    assert stand.asked == [str(STAGE)]


def test_what_nobody_has_begun_to_ask_is_not_waited_for(stand: Stand) -> None:
    others = {f"c{number}": Address("bb", f"s{number}", "one") for number in range(2, 2 + foresight._THREADS)}
    for container, address in {"c1": ONE, **others}.items():
        stand.release(address, container)
    stand.until(lambda: len(stand.watched) == 1 + len(others))
    stand.gate.clear()
    for container in others:
        stand.exit(container)
    stand.until(lambda: len(stand.asked) == len(others))
    stand.exit("c1")

    assert stand.foresight.outputs(STAGE) == {"number": b"5"}


def test_an_error_is_not_raised_but_leads_to_asking_again(stand: Stand) -> None:
    stand.release(ONE, "c1")
    stand.foresight.describe(_step(TWO))
    stand.fails = True
    stand.exit("c1")
    stand.until(lambda: len(stand.asked) == 3)

    assert stand.foresight.outputs(STAGE) == {"number": b"4"}
    assert stand.foresight.describe(_step(TWO)).id == "busybox 5"


def test_without_news_of_an_exit_everything_is_asked_in_its_time(stand: Stand) -> None:
    stand.release(ONE, "c1")

    assert stand.foresight.outputs(STAGE) == {"number": b"1"}
    assert stand.foresight.describe(_step(TWO)).id == "busybox 2"
    assert stand.foresight.describe(_step(TWO)).id == "busybox 3"


def test_the_image_of_the_step_that_stands_next_is_looked_at_once(stand: Stand) -> None:
    stand.release(ONE, "c1")
    stand.foresight.describe(_step(TWO, "a"))
    stand.foresight.describe(_step(THREE, "b"))
    stand.exit("c1")
    stand.until(lambda: len(stand.asked) == 4)

    assert set(stand.asked[2:]) == {"a", str(STAGE)}
    assert stand.foresight.describe(_step(TWO, "a")).id in ("a 3", "a 4")
    assert stand.foresight.describe(_step(THREE, "b")).id == "b 5"
    assert stand.foresight.describe(_step(TWO, "a")).id == "a 6"


def test_an_image_is_not_taken_for_another_one(stand: Stand) -> None:
    stand.release(ONE, "c1")
    stand.foresight.describe(_step(TWO, "a"))
    stand.exit("c1")
    stand.until(lambda: len(stand.asked) == 3)

    assert stand.foresight.describe(_step(TWO, "b")).id == "b 4"


def test_nothing_is_looked_at_for_an_attempt_that_was_released_or_discarded(stand: Stand) -> None:
    stand.release(ONE, "c1")
    stand.foresight.describe(_step(TWO))
    stand.foresight.describe(_step(THREE))
    stand.foresight.discarded(THREE)

    stand.run(TWO, "c2")

    assert stand.asked[2:] == [str(STAGE)]


def test_a_release_in_the_same_stage_ends_what_was_foreseen(stand: Stand) -> None:
    stand.run()

    stand.foresight.releasing(TWO, "c2")

    assert stand.foresight.outputs(STAGE) == {"number": b"2"}


def test_answers_grow_old(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foresight, "_FRESH_SECONDS", 0.05)
    stand.run()

    threading.Event().wait(0.1)

    assert stand.foresight.outputs(STAGE) == {"number": b"2"}


@pytest.mark.parametrize("what", [STAGE, "aa"])
def test_a_stage_that_is_closed_is_forgotten_with_its_answers(stand: Stand, what: Address | str) -> None:
    stand.run()
    stand.foresight.releasing(Address("bb", "s", "one"), "c2")

    stand.foresight.forget(what)
    stand.exit("c1")

    assert list(stand.foresight._stages) == [Address("bb", "s")]
    assert stand.foresight.outputs(STAGE) == {"number": b"2"}


def test_answers_can_be_dropped(stand: Stand) -> None:
    stand.run()

    stand.foresight.drop(STAGE)

    assert stand.foresight.outputs(STAGE) == {"number": b"2"}


def test_the_exit_of_a_container_that_was_not_released_last_means_nothing(stand: Stand) -> None:
    stand.run()
    stand.foresight.made_ready(TWO, "c2")
    stand.exit("c2")
    stand.release(THREE, "c3")
    stand.exit("c1")

    assert stand.foresight.outputs(STAGE) == {"number": b"2"}


def test_the_exit_of_a_container_that_a_release_has_replaced_is_not_the_step_s(stand: Stand) -> None:
    stand.release(ONE, "c1")
    stand.foresight.made_ready(TWO, "c2")
    stand.foresight.releasing(TWO, "c2")
    stand.exit("c2")

    stand.foresight.released(TWO, "c3")

    stand.until(lambda: len(stand.asked) == 1)
    assert stand.foresight.outputs(STAGE) == {"number": b"2"}
    stand.exit("c3")
    stand.until(lambda: len(stand.asked) == 3)
    assert stand.foresight.outputs(STAGE) == {"number": b"3"}


@pytest.mark.parametrize("gate", ["c1", "gate"], ids=["its container", "a gate that was made anew"])
def test_what_is_to_be_done_when_a_step_has_exited_is_done_once_and_not_for_a_gate_that_was_taken_down(
    stand: Stand, gate: str
) -> None:
    done: list[str] = []
    stand.foresight.releasing(ONE, gate, lambda: done.append("then"))
    if gate != "c1":
        stand.exit(gate)
    stand.foresight.released(ONE, "c1")
    stand.settle()
    assert not done

    stand.exit("c1")

    stand.until(lambda: done == ["then"])
    stand.foresight.released(ONE, "c1")
    stand.settle()
    assert done == ["then"]


def test_containers_are_asked_about_at_their_gate_and_their_release_waits_for_that(stand: Stand) -> None:
    stand.foresight.made_ready(ONE, "c1")
    stand.foresight.releasing(ONE, "c1")
    assert set(stand.watched) == {"c1"}
    stand.foresight.made_ready(TWO, "c2")
    stand.until(lambda: set(stand.watched) == {"c1", "c2"})

    stand.watched.clear()
    stand.release(TWO, "c2")
    stand.release(THREE, "")
    stand.foresight.close()

    assert not stand.watched, "each is watched once"


def test_what_another_stage_has_left_meanwhile_is_seen(stand: Stand) -> None:
    stand.run()
    stand.run(Address("aa", "t", "one"), "c2")

    stand.foresight.ended(Address("aa", "t", "one"), "c2")

    assert stand.foresight.outputs(OTHER) == {"number": b"2"}
    assert stand.foresight.outputs(STAGE) == {"number": b"3"}


def test_the_end_of_the_step_itself_and_of_those_of_other_runs_leaves_the_answer(stand: Stand) -> None:
    stand.run()

    stand.foresight.ended(ONE, "c1")
    stand.foresight.ended(Address("bb", "s", "one"), "c2")

    assert stand.foresight.outputs(STAGE) == {"number": b"1"}


@pytest.mark.parametrize(("code", "told"), [(0, ["c1"]), (7, []), (-9, []), (None, [])])
def test_a_success_is_told_and_no_other_end_and_the_process_is_let_go(
    stand: Stand, code: int | None, told: list[str]
) -> None:
    stand.code = code
    stand.release(ONE, "c1")
    process, other_end = os.pipe()

    stand.exit("c1", process)

    stand.until(lambda: _let_go(other_end))
    stand.foresight.close()
    assert stand.succeeded == told
    os.close(other_end)


def _let_go(other_end: int) -> bool:
    try:
        os.write(other_end, b"x")
    except BrokenPipeError:
        return True
    return False


def test_a_success_is_told_also_of_what_was_not_released_last_and_when_the_stage_is_closed(stand: Stand) -> None:
    stand.code = 0
    stand.release(ONE, "c1")
    stand.release(TWO, "c2")
    stand.exit("c1")
    stand.until(lambda: stand.succeeded == ["c1"])

    stand.foresight.forget(STAGE)
    stand.exit("c2")

    stand.until(lambda: stand.succeeded == ["c1", "c2"])


def test_a_process_is_let_go_also_when_the_question_fails(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> int:
        raise RuntimeError("it fails")

    monkeypatch.setattr(foresight, "exit_code", fail)
    stand.release(ONE, "c1")
    process, other_end = os.pipe()

    stand.exit("c1", process)

    stand.until(lambda: _let_go(other_end))
    os.close(other_end)
