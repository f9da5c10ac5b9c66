from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runner.cli.client.told import Told
from runner.dispatch.feed import Item, Lines
from runner.engine.events import Notice, Printing
from runner.logs.index import Stream
from runner.logs.lines import Lines as Splitter
from runner.plan.status import Status
from tests.support.faces import address, block, changed, pulling


def _told(told: Told, *items: Item) -> list[Item]:
    return [new for item in items for new in told.new(item)]


def _lines(data: bytes, stream: Stream = Stream.STDOUT, log: str = "log") -> Lines:
    return Lines(address("a/b"), block(data, stream, log))


def _data(items: list[Item]) -> bytes:
    return b"".join(item.block.data for item in items if isinstance(item, Lines))


def test_what_is_told_once_is_given_as_it_is() -> None:
    items: list[Item] = [
        changed(address("a/b"), Status.RUNNING),
        Printing(address("a/b"), "log"),
        _lines(b"1\n"),
        Notice("n"),
    ]

    assert _told(Told(), *items) == items


def test_what_is_told_again_is_given_once() -> None:
    told = Told()
    items: list[Item] = [changed(address("a/b"), Status.RUNNING), _lines(b"1\n2\n"), Notice("n"), pulling(1, 2)]
    _told(told, *items)
    told.begin()

    assert _told(told, *items) == []
    assert _told(told, changed(address("a/b"), Status.SUCCESS)) == [changed(address("a/b"), Status.SUCCESS)]


def test_what_happened_twice_is_given_twice() -> None:
    told = Told()
    twice = [Notice("again"), Notice("again")]
    assert _told(told, *twice[:1]) == twice[:1]
    told.begin()

    assert _told(told, *twice) == twice[1:]


def test_a_status_is_the_same_also_if_its_time_was_rounded() -> None:
    told = Told()
    _told(told, changed(address("a"), Status.SUCCESS, at=1.0004))
    told.begin()

    assert _told(told, changed(address("a"), Status.SUCCESS, at=1.0)) == []


def test_lines_go_on_in_the_middle_of_a_block() -> None:
    told = Told()
    _told(told, _lines(b"1\n2\n"))
    told.begin()

    assert _data(_told(told, _lines(b"1\n2\n3\n4\n"))) == b"3\n4\n"


def test_each_stream_of_each_log_has_its_own_place() -> None:
    told = Told()
    _told(told, _lines(b"1\n"), _lines(b"2\n", Stream.STDERR))
    told.begin()

    found = _told(told, _lines(b"1\n3\n"), _lines(b"2\n4\n", Stream.STDERR), _lines(b"1\n", log="other"))

    assert _data(found) == b"3\n4\n1\n"


def test_of_a_line_that_was_given_before_its_end_came_the_rest_is_given() -> None:
    told = Told()
    _told(told, _lines(b"Password:\n"))
    told.begin()

    assert _data(_told(told, _lines(b"Password: ***\nok\n"))) == b" ***\nok\n"


def test_empty_lines_are_neither_lost_nor_given_twice() -> None:
    told = Told()
    _told(told, _lines(b"a\n\n"))
    told.begin()

    assert _data(_told(told, _lines(b"a\n\n\nb\n"))) == b"\nb\n"


def test_a_carriage_return_ends_no_line() -> None:
    told = Told()
    _told(told, _lines(b"1%\r2%\n"))
    told.begin()

    assert _data(_told(told, _lines(b"1%\r2%\n3%\r4%\n"))) == b"3%\r4%\n"


@given(data=st.text("ab\n", max_size=40), cuts=st.lists(st.integers(0, 40), max_size=4), at=st.integers(0, 40))
def test_wherever_the_daemon_dies_all_lines_are_given_once(data: str, cuts: list[int], at: int) -> None:
    """In whatever pieces they come, before its death and after it."""
    told = Told()
    whole = data.encode()
    given_first = _pieces(whole[:at], [], finish=False)
    seen = _data(_told(told, *map(_lines, given_first)))
    told.begin()

    seen += _data(_told(told, *map(_lines, _pieces(whole, cuts, finish=True))))

    assert seen == whole + (b"" if whole.endswith(b"\n") or not whole else b"\n")


def _pieces(data: bytes, cuts: list[int], *, finish: bool) -> list[bytes]:
    """Return blocks of complete lines, as a feed makes them of what comes in pieces."""
    splitter, borders = Splitter(), [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    blocks = [splitter.feed(data[begin:end]) for begin, end in pairwise(borders)]
    return [found for found in (*blocks, splitter.finish() if finish else b"") if found]
