import pytest

from runner.backends.docker import artifacts
from runner.backends.docker.artifacts import FILE_BYTES, RUN_BYTES, Listed, _Choice, _Room, expression, parse


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.xml", "**.xml"),
        ("a/*.xml", "*a/*.xml"),
        ("/build/x", "*/build/x"),
        ("/vela/src/build/*", "./build/*"),
        ("/vela/srcs/x", "*/vela/srcs/x"),
    ],
)
def test_a_pattern_matches_the_end_of_a_path_or_an_absolute_one_all_of_it(pattern: str, expected: str) -> None:
    assert expression(pattern, "/vela/src") == expected
    assert expression(pattern, "/vela/src/") == expected


def test_a_listing_has_a_part_for_each_pattern() -> None:
    assert parse(b"12 ./a b//\n0 ./x\n y/z//\n\0\0") == [
        Listed(files={b"a b": 12, b"x\n y/z": 0}, cut=False),
        Listed(files={}, cut=False),
    ]


@pytest.mark.parametrize("rest", [b"9", b"99 ./b", b"99 ./b/", b"99 ./b//"])
def test_a_listing_that_was_cut_off_holds_what_is_whole(rest: bytes) -> None:
    assert parse(b"12 ./a//\n" + rest + b"\0") == [Listed(files={b"a": 12}, cut=True)]


def test_files_up_to_the_limits_are_kept() -> None:
    choice = _Choice(room=_Room())

    offered = [choice.offer(b"f%d" % number, FILE_BYTES) for number in range(6)]

    assert offered == [True] * (RUN_BYTES // FILE_BYTES) + [False]
    assert choice.offer(b"large", FILE_BYTES + 1) is False
    assert choice.offer(b"empty", 0) is True
    assert choice.notes() == (
        "large was not kept: it has more than 100 MB",
        "f5 was not kept: the artifacts of a run may have 500 MB in all",
    )


def test_a_file_that_is_offered_again_takes_only_what_it_has_grown() -> None:
    room = _Room(taken=RUN_BYTES - 100)
    choice = _Choice(room=room)

    assert choice.offer(b"log", 60)
    assert choice.offer(b"log", 60)
    assert choice.offer(b"log", 100)
    assert room.taken == RUN_BYTES
    assert not choice.offer(b"log", 101)


def test_all_collections_of_a_run_share_its_room() -> None:
    room = _Room()

    assert _Choice(room=room).offer(b"a", FILE_BYTES)
    assert room.taken == FILE_BYTES


def test_many_files_are_not_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "FILE_BYTES", 1)
    choice = _Choice(room=_Room())
    for number in range(13):
        choice.offer(b"f%d" % number, 2)

    notes = choice.notes()

    assert len(notes) == 11
    assert notes[-1].startswith("3 further files were not kept: ")


def test_a_name_cannot_forge_lines_of_a_note() -> None:
    choice = _Choice(room=_Room())
    choice.offer(b"a\n\x1b[2Jb\xff", FILE_BYTES + 1)

    assert choice.notes() == ("'a\\n\\x1b[2Jb\\udcff' was not kept: it has more than 100 MB",)
