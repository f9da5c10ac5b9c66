import pytest

from runner.plan.filepath import fits, read
from runner.plan.match import BadPatternError


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("*.go", b"main.go", True),
        ("*.go", b"cmd/main.go", False),
        ("ma?n", "mañn".encode(), True),
        ("[^a-m]*", b"main", False),
        (r"\*", b"*", True),
        ("", b"", True),
    ],
)
def test_a_pattern_fits_the_whole_of_a_name(pattern: str, name: bytes, found: bool) -> None:  # noqa: FBT001 - of a table
    assert fits(pattern, name) is found


def test_a_pattern_that_cannot_be_read_fits_nothing_but_is_refused() -> None:
    for ask in (lambda: fits("[a", b"b"), lambda: read("[a")):
        with pytest.raises(BadPatternError, match="has a \\[ without its \\]"):
            ask()
