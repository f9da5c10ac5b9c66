"""Texts that can be references, and those that cannot."""

import pytest

from runner.dialects.metalus.texts import required
from runner.dialects.nodes import Scalar
from runner.errors import Place


@pytest.mark.parametrize(
    ("text", "names"),
    [("!a.b", ("a",)), ("x !{a} !{b.c}", ("a", "b")), ("!a || b", ()), ("!a || !b", ()), ("@s", ()), ("!a[x]", ())],
)
def test_a_text_requires_the_globals_that_nothing_can_stand_in_for(text: str, names: tuple[str, ...]) -> None:
    assert required(Scalar(text=text, place=Place(file="f"), plain=True)) == names
