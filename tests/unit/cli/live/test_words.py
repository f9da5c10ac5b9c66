import pytest
from rich.cells import cell_len

from runner.cli.live.words import BAD, Signs, one_line, seconds, shorten, size, style_of
from runner.plan.status import Status


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_an_encoding_without_the_signs_gets_those_of_ascii(encoding: str) -> None:
    signs = Signs.of(encoding)

    assert all(value.isascii() and len(value) == 1 for value in vars(signs).values())


def test_an_encoding_with_the_signs_gets_them() -> None:
    assert Signs.of("utf-8") == Signs()


@pytest.mark.parametrize("signs", [Signs(), Signs.of("ascii")])
def test_every_sign_is_one_cell_wide(signs: Signs) -> None:
    assert {cell_len(value) for value in vars(signs).values()} == {1}


@pytest.mark.parametrize("signs", [Signs(), Signs.of("ascii")])
def test_what_went_well_and_badly_and_what_runs_and_waits_have_signs_of_their_own(signs: Signs) -> None:
    kinds = (Status.SUCCESS, Status.FAILURE, Status.RUNNING, Status.PENDING, Status.SKIPPED)

    assert len({signs.status(status) for status in kinds}) == 5


@pytest.mark.parametrize("status", BAD)
def test_what_a_person_must_look_at_is_red_and_crossed(status: Status) -> None:
    assert (Signs().status(status), style_of(status)) == ("✗", "red")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.0 s"),
        (9.94, "9.9 s"),
        (60.0, "1 m 00 s"),
        (3599.9, "59 m 59 s"),
        (3600.0, "1 h 00 m"),
        (90061, "25 h 01 m"),
    ],
)
def test_a_duration_is_told_in_two_units_at_most(value: float, words: str) -> None:
    assert seconds(value) == words


def test_a_duration_that_grows_is_told_in_whole_seconds() -> None:
    assert (seconds(9.9, ticking=True), seconds(61.5, ticking=True)) == ("9 s", "1 m 01 s")


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (73_400_320, "73.4 MB"), (5e12, "5000.0 GB")]
)
def test_a_size_is_told_in_a_fitting_unit(value: float, words: str) -> None:
    assert size(value) == words


def test_a_name_that_fits_stays_whole() -> None:
    assert shorten("日本語", 6, "…") == "日本語"


def test_a_long_name_loses_its_middle() -> None:
    assert shorten("abcdefghij", 5, "…") == "ab…ij"
    assert shorten("abcdefghij", 6, "…") == "abc…ij"


@pytest.mark.parametrize("text", ["x" * 30, "日本語の長い名前です", "🚀🚀🚀🚀🚀🚀", "a日b本c語d名e前f", "e\u0301" * 20])
@pytest.mark.parametrize("width", range(9))
def test_no_name_takes_more_cells_than_there_are(text: str, width: int) -> None:
    assert cell_len(shorten(text, width, "…")) <= width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a b c"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07\x1b[2Jx", "x"),
        ("a\ud800b", "a b"),
        ("\u202eevil", "evil"),
    ],
)
def test_words_of_others_become_one_harmless_line(text: str, shown: str) -> None:
    assert one_line(text) == shown
