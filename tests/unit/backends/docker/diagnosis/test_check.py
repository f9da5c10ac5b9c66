import pytest

from runner.backends.docker.diagnosis.check import Check, Verdict, amount, bad, note, ok


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (3 * 1024**2 // 2, "1.5 MiB"),
        (5 * 1024**4, "5120.0 GiB"),
    ],
)
def test_amounts_are_told_in_the_largest_unit_that_fits(size: int, text: str) -> None:
    assert amount(size) == text


def test_only_what_is_not_well_has_advice() -> None:
    assert ok("a", "b") == Check(name="a", verdict=Verdict.OK, found="b", advice="")
    assert note("a", "b", "c") == Check(name="a", verdict=Verdict.NOTE, found="b", advice="c")
    assert bad("a", "b", "c") == Check(name="a", verdict=Verdict.BAD, found="b", advice="c")
