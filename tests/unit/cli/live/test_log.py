import re
import time

import pytest

from runner.cli.live.log import Log
from runner.cli.live.words import Signs
from runner.naming import Address
from tests.support.faces import address, block, service
from tests.support.plans import plan, stage, step

PLAN = plan(*[stage(name, step("one"), step("two")) for name in ("build", "lint")])


def _log(*, color: bool = False, encoding: str = "utf-8") -> Log:
    return Log(PLAN, Signs.of(encoding), color=color)


def _shown(log: Log, *texts: str, path: str = "build/one") -> list[str]:
    return "".join(log.format(address(path), block(text.encode())) for text in texts).splitlines()


def test_every_line_has_its_stage_and_step_before_it() -> None:
    assert _shown(_log(), "a\n\nb\n") == ["build/one | a", "build/one | ", "build/one | b"]


def test_a_block_ends_with_one_newline() -> None:
    assert _log().format(address("build/one"), block(b"a\n")).endswith(" a\n")


def test_each_stage_has_a_colour_of_its_own_and_its_steps_share_it() -> None:
    log = _log(color=True)
    colours = [_shown(log, "x\n", path=path)[0].partition("m")[0] for path in ("build/one", "build/two", "lint/one")]

    assert colours[0] == colours[1] != colours[2]


def test_the_colour_of_a_prefix_ends_before_the_line() -> None:
    assert re.fullmatch("\x1b\\[\\d+mbuild/one \\| \x1b\\[0mx", _shown(_log(color=True), "x\n")[0])


def test_a_services_lines_are_shown_too() -> None:
    assert _log().format(service("db"), block(b"up\n")) == "@services/db | up\n"


def test_a_line_may_have_colours_and_they_end_with_it() -> None:
    first, second = _shown(_log(color=True), "\x1b[31mred\nplain\n")

    assert first.endswith("\x1b[31mred\x1b[0m")
    assert second.endswith("mplain\x1b[0m")


def test_without_colour_no_escape_is_left() -> None:
    assert _shown(_log(), "\x1b[1;31mred\x1b[0m\n") == ["build/one | red"]


def test_nothing_that_a_step_prints_can_move_the_cursor() -> None:
    hostile = "a\x1b[2Jb\x1b[10;1Hc\x1b]0;title\x07d\x1b[?25he\x9b2Jf\x08g\x1b7h\n50%\r100%\n"

    assert _shown(_log(color=True, encoding="ascii"), hostile) == [
        "\x1b[36mbuild/one | \x1b[0mabcdefgh",
        "\x1b[36mbuild/one | \x1b[0m100%",
    ]


def test_names_cannot_move_the_cursor_either() -> None:
    assert _log().format(address("build/\x1b[2J\nx"), block(b"a\n")) == "build/ x | a\n"


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert _log().format(address("build/one"), block(b"\xff\n")) == "build/one | \ufffd\n"


def test_a_group_is_a_heading_with_its_lines_indented() -> None:
    assert _shown(_log(), "a\n::group::Get the tools\nb\n\nc\n::endgroup::\nd\n") == [
        "build/one | a",
        "build/one | ▸ Get the tools",
        "build/one |   b",
        "build/one |   ",
        "build/one |   c",
        "build/one | d",
    ]


def test_a_group_goes_on_over_blocks() -> None:
    assert _shown(_log(), "::group::A\n", "b\n", "::endgroup::\n", "c\n") == [
        "build/one | ▸ A",
        "build/one |   b",
        "build/one | c",
    ]


def test_a_new_group_ends_the_last() -> None:
    assert _shown(_log(), "::group::A\n::group::B\nc\n") == ["build/one | ▸ A", "build/one | ▸ B", "build/one |   c"]


def test_a_group_belongs_to_one_attempt() -> None:
    log = _log()
    _shown(log, "::group::A\n")

    assert _shown(log, "b\n", path="build/two") == ["build/two | b"]
    assert log.format(Address("0badcafe", "build", "one", 1, 2), block(b"c\n")) == "build/one | c\n"


@pytest.mark.parametrize("line", ["$ echo ::group::A", "a::endgroup::", "std::vector", "::groups::A", "::warnings::x"])
def test_what_only_looks_like_a_marker_is_a_line(line: str) -> None:
    assert _shown(_log(), f"{line}\n") == [f"build/one | {line}"]


def test_a_heading_has_a_sign_that_the_encoding_knows() -> None:
    assert _shown(_log(encoding="ascii"), "::group::A\n") == ["build/one | > A"]


def test_colours_inside_a_group_end_with_their_line() -> None:
    shown = _shown(_log(color=True), "::group::A\n\x1b[31mred\n")

    assert shown[0].endswith("\x1b[1m▸ A\x1b[0m")
    assert shown[1].endswith("  \x1b[31mred\x1b[0m")


@pytest.mark.parametrize("level", ["error", "warning", "notice", "info", "debug", "trace"])
def test_a_message_is_shown_with_its_word_instead_of_its_marker(level: str) -> None:
    assert _shown(_log(), f"a\n::{level}::some: text\nb\n") == [
        "build/one | a",
        f"build/one | {level}: some: text",
        "build/one | b",
    ]


@pytest.mark.parametrize(
    ("level", "style"), [("error", 31), ("warning", 33), ("notice", 1), ("info", 34), ("debug", 2), ("trace", 2)]
)
def test_a_message_is_coloured_by_its_weight_and_the_colour_ends_with_it(level: str, style: int) -> None:
    message, after = _shown(_log(color=True), f"::{level}::text\nb\n")

    assert f"\x1b[{style}m{level}: text\x1b[0m" in message
    assert after.endswith("\x1b[0mb")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("::error file=src/main.c,line=3::unused", "error: src/main.c:3: unused"),
        ("::error file=main.c,line=3,endLine=4,col=1,title=A title::x", "error: main.c:3: A title: x"),
        ("::warning title=C:\\x::y", "warning: C:\\x: y"),
        ("::notice line=3::x::y", "notice: 3: x::y"),
        ("::debug ,=,nothing::x", "debug: x"),
        ("::info::", "info"),
        ("::error::  indented", "error:   indented"),
    ],
)
def test_a_message_may_say_of_which_place_it_speaks(line: str, shown: str) -> None:
    assert _shown(_log(), f"{line}\n") == [f"build/one | {shown}"]


def test_a_message_inside_a_group_is_indented() -> None:
    assert _shown(_log(), "::group::A\n::error::x\n", "::warning::y\n") == [
        "build/one | ▸ A",
        "build/one |   error: x",
        "build/one |   warning: y",
    ]


def test_a_message_can_colour_but_not_move_the_cursor() -> None:
    shown = _shown(_log(color=True), "::error::a\x1b[2J\x1b[32mb\x1b]0;t\x07\nc\n")

    assert shown[0].endswith("\x1b[31merror: a\x1b[32mb\x1b[0m\x1b[0m")
    assert shown[1].endswith("\x1b[0mc")


@pytest.mark.parametrize(
    "line", ["a ::error::x", "::error:x", "::errorfile=a::x", "::ERROR::x", "::fatal::x", "::error"]
)
def test_what_only_looks_like_a_message_is_a_line(line: str) -> None:
    assert _shown(_log(), f"{line}\n") == [f"build/one | {line}"]


def test_lines_full_of_colons_cost_little() -> None:
    text = "::error " * 100_000 + "\n" + "::error a:b\n" * 10_000
    begun = time.process_time()

    assert len(_shown(_log(), text)) == 10_001
    assert time.process_time() - begun < 1  # 0.02 s on a calm machine


def test_words_of_ours_are_one_line() -> None:
    assert _log().words("note: a\nb\x1b[2J", "yellow") == "note: a b\n"
    assert _log(color=True).words("note", "yellow") == "\x1b[33mnote\x1b[0m\n"


def test_branches_that_are_learned_of_have_colours_and_the_others_keep_theirs() -> None:
    log = _log(color=True)
    log.learn(plan(*[stage(name, step("one")) for name in ("each[0]", "build", "each[1]")]))
    paths = ("build/one", "lint/one", "each[0]/one", "each[1]/one", "other/one")

    colours = [_shown(log, "x\n", path=path)[0].partition("m")[0] for path in paths]

    assert colours[:2] == [_shown(_log(color=True), "x\n", path=path)[0].partition("m")[0] for path in paths[:2]]
    assert len(set(colours)) == len(paths)
