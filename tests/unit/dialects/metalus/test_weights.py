"""Applications that stand for more than their size are refused, and soon."""

import time
from typing import Final

import pytest

from runner.dialects.findings import Findings
from runner.dialects.metalus.weights import MOST, Scales, weight
from runner.dialects.source import load
from runner.errors import InvalidPipelineError, Place
from tests.support.metalus import WORK, findings_of, plan_of

MANY: Final = 4_000
LONG: Final = "x" * 100_000
SECONDS: Final = 30.0
"""Far more than it takes, since other tests run beside."""


def _executions(keys: str = "", count: int = MANY) -> str:
    return "executions:\n" + "".join(f"- {{id: e{index}{keys}}}\n" for index in range(count))


def _chain(count: int) -> str:
    def line(index: int) -> str:
        parents = f"e{index - 1}" if index else ""
        return f"- {{id: e{index}, parents: [{parents}], globals: {{GlobalLinks: {{l{index}: x}}}}}}\n"

    return f"pipelines: [{WORK}]\nexecutions:\n{''.join(map(line, range(count)))}"


HOSTILE: Final = {
    "many executions of many steps": "pipelines:\n- id: p\n  steps:\n"
    + "".join(f"  - {{id: s{index}, image: i}}\n" for index in range(MANY))
    + _executions(),
    "many executions of many pipelines": "pipelines:\n"
    + "".join(f"- {{id: p{index}, steps: [{{id: s, image: i}}]}}\n" for index in range(MANY))
    + _executions(),
    "a long command": f"pipelines: [{{id: p, steps: [{{id: s, image: i, commands: [{LONG}]}}]}}]\n{_executions()}",
    "a long global": f"globals: {{g: {LONG}}}\npipelines: [{WORK}]\n{_executions()}",
    "a long link": f"globals: {{GlobalLinks: {{l: {LONG}}}}}\npipelines: [{WORK}]\n{_executions()}",
    "a long preset": f"pipelineParameters: {{w: {{k: {LONG}}}}}\npipelines: [{WORK}]\n{_executions()}",
    "a long evaluation": (
        f"pipelines: [{{id: p, steps: [{{id: s, image: {LONG}}}]}}, {WORK}]\n"
        + _executions(", pipelineIds: [w], evaluationPipelineIds: [p]")
    ),
    "links of many ancestors": _chain(MANY),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_executions_share_is_counted_for_each(text: str) -> None:
    started = time.monotonic()

    (told,) = findings_of(text)

    assert "the executions up to here have too many " in told
    assert time.monotonic() - started < SECONDS


def test_many_small_executions_are_fine() -> None:
    plan = plan_of(f"globals: {{g: 1}}\npipelines: [{WORK}]\n{_executions()}")

    assert len(plan.stages) == MANY


def test_a_chain_of_some_links_is_fine() -> None:
    assert len(plan_of(_chain(200)).stages) == 200


def test_a_value_counts_its_characters_and_what_is_in_it() -> None:
    node = load(b"a: [bcd, {e: ''}]", "f", Findings())

    assert weight(None) == 0
    assert weight(node) == 3 * 16 + 4 * 16 + len("abcde")


def test_the_place_is_that_of_the_execution_that_is_too_much() -> None:
    scales = Scales(Findings(), "things")
    scales.add(MOST, Place(file="f", line=1))

    with pytest.raises(InvalidPipelineError, match=r"^f:2:1: the executions up to here have too many things"):
        scales.add(1, Place(file="f", line=2))
