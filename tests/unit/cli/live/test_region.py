import pytest

from runner.cli.live.region import Region
from tests.support.terminal import Terminal


def _region(columns: int = 20, lines: int = 8) -> tuple[Region, Terminal]:
    terminal = Terminal(columns, lines)
    return Region(terminal, "utf-8"), terminal


class _Gone(Terminal):
    def flush(self) -> None:
        raise BrokenPipeError


def test_rows_stand_under_the_lines() -> None:
    region, terminal = _region()

    region.write("one\n", ["a", "b"])
    region.write("two\nthree\n", ["c", "d"])

    assert terminal.screen == ["one", "two", "three", "c", "d"]


def test_the_region_may_grow_and_shrink() -> None:
    region, terminal = _region()

    region.write("one\n", ["a"])
    region.write("", ["a", "b", "c"])
    assert terminal.screen == ["one", "a", "b", "c"]

    region.write("", ["d"])
    assert terminal.screen == ["one", "d"]


def test_lines_scroll_away_whole_and_the_region_stays() -> None:
    region, terminal = _region()

    for number in range(50):
        region.write(f"{number}\n", [f"row {number}", "last"])

    assert terminal.everything == [*map(str, range(50)), "row 49", "last"]


def test_a_long_line_wraps_and_is_whole() -> None:
    region, terminal = _region()

    region.write("", ["a", "b"])
    region.write("x" * 45 + "\n", ["a", "b"])

    assert terminal.screen == ["x" * 20, "x" * 20, "x" * 5, "a", "b"]


def test_a_row_that_is_too_long_is_clipped_and_takes_one_row() -> None:
    region, terminal = _region()

    for _ in range(3):
        region.write("", ["x" * 45, "b"])
    region.write("x" * 21 + "\n", ["a"])

    assert terminal.screen == ["x" * 20, "x", "a"]


def test_the_cursor_rests_hidden_where_the_region_begins() -> None:
    region, terminal = _region()

    region.write("one\n", ["a", "b", "c"])

    assert (terminal.cursor, terminal.cursor_hidden) == ((1, 0), True)


def test_what_somebody_else_writes_becomes_a_line_above() -> None:
    region, terminal = _region()

    region.write("one\n", ["aaaaaaaaaaaa", "b"])
    terminal.write(b"^Cending the run\n")
    region.write("two\n", ["c", "d"])

    assert terminal.screen == ["one", "^Cending the run", "two", "c", "d"]


def test_nothing_is_written_when_nothing_has_changed() -> None:
    region, terminal = _region()

    region.write("", ["a"])
    region.write("", ["a"])

    assert len(terminal.writes) == 1


def test_each_change_is_one_write() -> None:
    region, terminal = _region()

    region.write("one\ntwo\n", ["a", "b"])

    assert len(terminal.writes) == 1


def test_without_rows_the_region_goes_and_lines_pass_as_they_are() -> None:
    region, terminal = _region()

    region.write("one\n", ["a", "b"])
    region.write("two\n")
    region.write("three\n")

    assert terminal.screen == ["one", "two", "three"]


def test_a_narrower_terminal_keeps_no_row_of_before() -> None:
    region, terminal = _region(40, 10)

    region.write("one\n", ["a" * 39, "b" * 39, "c" * 39])
    terminal.resize(15, 10)
    region.write("", ["d" * 14])

    assert terminal.screen == ["one", "d" * 14]


def test_closing_removes_the_region_and_gives_the_cursor_back() -> None:
    region, terminal = _region()

    region.write("one\n", ["a", "b"])
    region.close()

    assert (terminal.screen, terminal.cursor, terminal.cursor_hidden) == (["one"], (1, 0), False)


def test_closing_what_was_never_drawn_writes_nothing() -> None:
    region, terminal = _region()

    region.close()

    assert terminal.writes == []


def test_after_closing_it_may_be_drawn_again() -> None:
    region, terminal = _region()

    region.write("", ["a"])
    region.close()
    region.write("", ["a"])

    assert (terminal.screen, terminal.cursor_hidden) == (["a"], True)


def test_what_the_encoding_does_not_know_is_replaced() -> None:
    terminal = Terminal()

    Region(terminal, "ascii").write("na\u00efve\n")

    assert terminal.screen == ["na?ve"]


def test_that_the_terminal_has_gone_is_raised_and_remembered() -> None:
    region = Region(_Gone(), "utf-8")

    with pytest.raises(BrokenPipeError):
        region.write("one\n")

    assert region.gone
