"""What a file of the largest size may cost: each of these took minutes, or gigabytes, before it was bounded."""

from collections.abc import Iterator
from itertools import count

import pytest

from runner.dialects.text import examine
from runner.plan.model import Facts
from runner.plan.trigger import Trigger

PUSH = Trigger(facts=Facts(branch="main", event="push"))
STEP = "steps: [{name: a, image: i}]"
SIZE = 1024 * 1024

pytestmark = pytest.mark.timeout(60)


def _of_size(head: str, parts: Iterator[str], tail: str = "") -> bytes:
    """A file as large as may be: its head, so many of the parts as it has room for, and its tail."""
    text, length = [head], len(head) + len(tail)
    for part in parts:
        length += len(part)
        if length > SIZE:
            break
        text.append(part)
    return "".join((*text, tail)).encode()


def _messages(content: bytes) -> list[str]:
    examined = examine(content, "p.yml", PUSH)
    assert sum(len(str(finding)) for finding in examined.findings) < 1024 * 1024
    return [finding.message for finding in examined.findings]


def test_a_circle_of_thousands_of_stages_is_one_short_error() -> None:
    stages = "".join(f"  s{n}: {{needs: [s{(n + 1) % 9000}], {STEP}}}\n" for n in range(9000))

    (message,) = _messages(f"version: 1\nstages:\n{stages}".encode())

    assert message.startswith("stages wait for each other: s0 -> s1 -> ")
    assert message.endswith(" -> (8986 more) -> s0")


def test_thousands_of_stages_that_wait_for_a_circle_are_no_circle() -> None:
    stages = "".join(f"  s{n}: {{needs: [s{n + 1}], {STEP}}}\n" for n in range(9000))

    messages = _messages(
        f"version: 1\nstages:\n{stages}  s9000: {{needs: [x], {STEP}}}\n  x: {{needs: [s9000], {STEP}}}\n".encode()
    )

    assert messages == ["stages wait for each other: s9000 -> x -> s9000"]


def test_secrets_that_are_all_mistyped_are_warnings() -> None:
    declared = "".join(f"- name: abcdef{n}\n" for n in range(15_000))
    head = f"version: 1\nsecrets:\n{declared}steps:\n- name: a\n  image: i\n  secrets: ["

    messages = _messages(_of_size(head, (f"abcdeg{n}, " for n in count()), "]\n"))

    assert messages[0] == "the secret 'abcdeg0' is not declared"
    assert messages[-1] == "1000 warnings; there are more"


def test_variables_that_every_step_puts_in_anew_are_too_much() -> None:
    variables = "".join(f"  V{n}: '${{X/a/b}}${{V1}}'\n" for n in range(1000))
    steps = "".join(f"- {{name: s{n}, image: i}}\n" for n in range(990))

    messages = _messages(f"version: 1\nenvironment:\n{variables}steps:\n{steps}".encode())

    assert "makes the pipeline too long" in messages[0]


@pytest.mark.parametrize("pattern", [r"'\pL{0,300}%d'", r"'\pL{0,30}%d'", "'(a|x%d){1000}'"])
def test_patterns_of_a_ruleset_that_are_slow_to_read_are_too_many(pattern: str) -> None:
    head = "version: 1\nsteps:\n- name: a\n  image: i\n  ruleset: {matcher: regexp, branch: ["

    messages = _messages(_of_size(head, (pattern % n + "," for n in count()), "]}\n"))

    assert messages[-1] == "the patterns up to here are too much work"


def test_patterns_of_expressions_that_are_slow_to_read_are_too_many() -> None:
    steps = (f"- {{name: s{n}, image: i, ruleset: {{eval: \"A matches '\\\\\\\\pL{{0,30}}{n}'\"}}}}\n" for n in count())

    messages = _messages(_of_size("version: 1\nsteps:\n", steps))

    assert messages == ["the patterns up to here are too much work"]


@pytest.mark.parametrize("key", ["timeout", "retry", "limits: {memory", "limits: {pids", "ruleset: {branch"])
def test_an_endless_value_is_shown_by_its_beginning(key: str) -> None:
    value = "[" * 1_000_000
    closing = "}" * key.count("{")

    (message,) = _messages(f"version: 1\nsteps:\n- name: a\n  image: i\n  {key}: '{value}'{closing}\n".encode())

    assert f"{value[:57]}...'" in message
    assert len(message) < 200
