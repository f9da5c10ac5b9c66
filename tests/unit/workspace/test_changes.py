import stat
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runner.workspace.changes import Changes, Entry, clashes, compare, parents, parse

FILE = Entry(
    mode=stat.S_IFREG | 0o644, size=3, changed=b"2026-01-01 00:00:00.000000001 +0000", uid=0, gid=0, modified=5
)
DIRECTORY = replace(FILE, mode=stat.S_IFDIR | 0o755, size=4096)
LINK = replace(FILE, mode=stat.S_IFLNK | 0o777)

NAMES = st.binary(min_size=1).filter(lambda name: b"\0" not in name and b"/" not in name and name not in (b".", b".."))


def line(path: bytes, entry: Entry) -> bytes:
    numbers = f"{entry.uid} {entry.gid} {entry.modified}".encode()
    return b"%x %d %s %s %s//\n" % (entry.mode, entry.size, entry.changed, numbers, path)


def test_a_listing_is_read_without_its_root() -> None:
    text = line(b".", DIRECTORY) + line(b"./dir", DIRECTORY) + line(b"./dir/file", replace(FILE, uid=7, gid=8))

    assert parse(text) == {b"dir": DIRECTORY, b"dir/file": replace(FILE, uid=7, gid=8)}


def test_an_empty_listing_is_an_empty_tree() -> None:
    assert parse(b"") == {}


@given(st.lists(st.lists(NAMES, min_size=1, max_size=4).map(b"/".join), unique=True))
def test_no_name_breaks_a_listing(paths: list[bytes]) -> None:
    text = b"".join(line(b"./" + path, FILE) for path in paths)

    assert list(parse(text)) == paths


def test_a_name_that_looks_like_a_record_is_a_name() -> None:
    path = b"a\n" + line(b"./b", FILE).replace(b"//\n", b"/\n")

    assert list(parse(line(b"./" + path, FILE) + line(b"./c", FILE))) == [path, b"c"]


def test_equal_trees_have_no_changes() -> None:
    tree = {b"d": DIRECTORY, b"d/f": FILE, b"l": LINK}

    assert compare(tree, dict(tree)) == Changes()
    assert compare(tree, tree).empty


def test_any_difference_of_a_file_is_a_change() -> None:
    others = (
        replace(FILE, size=4),
        replace(FILE, mode=stat.S_IFREG | 0o600),
        replace(FILE, changed=b"2026-01-01 00:00:00.000000002 +0000"),
        replace(FILE, uid=1),
        replace(FILE, gid=1),
        replace(FILE, modified=6),
    )
    for other in others:
        assert compare({b"f": FILE}, {b"f": other}).files == (b"f",)


def test_a_directory_changes_by_mode_and_owner_only() -> None:
    busy = replace(DIRECTORY, size=8192, changed=b"later", modified=9)
    closed = replace(busy, mode=stat.S_IFDIR | 0o700)

    assert compare({b"d": DIRECTORY}, {b"d": busy}).empty
    assert compare({b"d": DIRECTORY}, {b"d": closed}) == Changes(directories=((b"d", closed),))


def test_directories_around_a_change_are_named_parents_first() -> None:
    before = {b"a": DIRECTORY, b"a/b": DIRECTORY, b"a/b/f": FILE, b"z": DIRECTORY}
    after = {**before, b"a/b/f": replace(FILE, size=9)}

    assert compare(before, after) == Changes(files=(b"a/b/f",), around=((b"a", DIRECTORY), (b"a/b", DIRECTORY)))


def test_what_is_gone_is_named_by_its_topmost_path() -> None:
    before = {b"a": DIRECTORY, b"a/b": DIRECTORY, b"a/b/f": FILE, b"a/g": FILE, b"ab": FILE}

    assert compare(before, {}).deleted == (b"a", b"ab")
    assert compare(before, {b"a": DIRECTORY, b"ab": FILE}) == Changes(
        deleted=(b"a/b", b"a/g"), around=((b"a", DIRECTORY),)
    )


def test_what_became_another_kind_is_deleted_and_made() -> None:
    assert compare({b"x": FILE}, {b"x": DIRECTORY, b"x/f": FILE}) == Changes(
        files=(b"x/f",), directories=((b"x", DIRECTORY),), deleted=(b"x",)
    )
    assert compare({b"x": DIRECTORY, b"x/f": FILE}, {b"x": LINK}) == Changes(files=(b"x",), deleted=(b"x",))


def test_new_directories_are_changes_even_when_empty() -> None:
    assert compare({}, {b"a": DIRECTORY, b"a/b": DIRECTORY}).directories == ((b"a", DIRECTORY), (b"a/b", DIRECTORY))


def test_touched_are_files_and_deletions_but_no_directories() -> None:
    changes = Changes(files=(b"f",), directories=((b"d", DIRECTORY),), around=((b"e", DIRECTORY),), deleted=(b"g",))

    assert changes.touched == {b"f", b"g"}
    assert not changes.empty


def test_the_same_path_clashes() -> None:
    assert clashes(frozenset({b"a", b"b"}), frozenset({b"b", b"c"})) == (b"b",)


def test_a_path_clashes_with_what_lies_below_it_on_either_side() -> None:
    assert clashes(frozenset({b"d"}), frozenset({b"d/e/f"})) == (b"d",)
    assert clashes(frozenset({b"d/e/f"}), frozenset({b"d/e"})) == (b"d/e",)


def test_neighbours_do_not_clash() -> None:
    assert clashes(frozenset({b"d/a", b"x"}), frozenset({b"d/b", b"xy"})) == ()


def test_parents_come_nearest_first_without_the_root() -> None:
    assert list(parents(b"a/b/c")) == [b"a/b", b"a"]
    assert list(parents(b"a")) == []


TREES = st.dictionaries(
    st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=3).map(b"/".join),
    st.sampled_from([FILE, replace(FILE, size=9), LINK]),
    max_size=8,
)


def whole(leaves: dict[bytes, Entry]) -> dict[bytes, Entry]:
    """Return a tree that can be: the directories around each leaf, and no leaf below another."""
    kept = {path: entry for path, entry in leaves.items() if not any(parent in leaves for parent in parents(path))}
    return {**{parent: DIRECTORY for path in kept for parent in parents(path)}, **kept}


@given(TREES, TREES)
def test_changes_turn_the_one_tree_into_the_other(one: dict[bytes, Entry], two: dict[bytes, Entry]) -> None:
    before, after = whole(one), whole(two)
    changes = compare(before, after)

    made = {path: entry for path, entry in before.items() if not ({path, *parents(path)} & set(changes.deleted))}
    made |= dict(changes.directories) | {path: after[path] for path in changes.files}

    assert made == after
