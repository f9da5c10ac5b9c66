"""What steps return, read on Docker while steps write it."""

import time
from collections.abc import Iterator

import pytest

from runner.engine.specs import RunSpec
from runner.naming import new_run_id
from runner.plan.model import Step
from tests.support.backends import Bench, docker_backend
from tests.support.plans import IMAGE

SECONDS = 2.0
SIZES = {"a": 5, "b": 70_000, "c": 70_001}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with docker_backend() as place:
        found = Bench(place, RunSpec(id=new_run_id(), home="/w", workdir="/w"))
        yield found
        found.close()
        assert place.left(found.run.id) == ()


def test_what_is_replaced_all_the_time_is_never_torn_and_what_has_stayed_is_always_there(bench: Bench) -> None:
    fill = [f"head -c {size} /dev/zero | tr '\\0' {letter} >.{letter}" for letter, size in SIZES.items()]
    put = [f"cp .{letter} .new && mv .new m.other" for letter in SIZES]
    script = ("cd /run/runner/returns && echo 1 >m.mine", *fill, f"echo ready; while :; do {'; '.join(put)}; done")
    address, listener = bench.released(Step(name="a", image=IMAGE, commands=script))
    listener.until_line("ready")

    deadline, seen = time.monotonic() + SECONDS, []
    while time.monotonic() < deadline:
        seen.append(bench.backend.returns(bench.run.id))
    bench.end(address, listener)

    assert {found["m.mine"] for found in seen} == {b"1\n"}
    contents = {letter.encode() * size for letter, size in SIZES.items()}
    others = {found["m.other"] for found in seen if "m.other" in found}
    assert others <= contents
    assert len(others) > 1
    assert bench.backend.returns(bench.run.id)["m.other"] in contents


def test_thousands_of_returns_are_all_there_and_cheap_to_ask_for_again(bench: Bench) -> None:
    script = "cd /run/runner/returns; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i >.t; mv .t o.k,$i; done"
    assert bench.ending(*bench.released(Step(name="a", image=IMAGE, commands=(script,)))).exit_code == 0

    found = bench.backend.returns(bench.run.id)

    assert found == {f"o.k,{number}": f"{number}\n".encode() for number in range(1, 3001)}
    assert bench.backend.returns(bench.run.id) is bench.backend.returns(bench.run.id) is found
