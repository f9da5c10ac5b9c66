"""What the layers of one branch come to; ``tests/integration/test_workspace_gathered.py`` shows it of real ones."""

import stat
from collections.abc import Mapping
from typing import Any

from runner.backends.docker import unions
from runner.backends.docker.unions import Found, Layer, Seen, applied, left, look, united
from runner.backends.docker.volumes import Volume
from runner.workspace.changes import Changes, Entry
from tests.support.helping import FakeHelpers, as_helpers, record

GONE = Entry(mode=stat.S_IFCHR, size=0, changed=b"t", uid=0, gid=0, modified=0)
TREES = tuple(Volume(name=f"t{number}", path=f"/t{number}") for number in range(3))


def f(version: str = "1") -> Entry:
    """Return a file."""
    return Entry(
        mode=stat.S_IFREG | 0o644, size=1, changed=f"2026-01-01 {version} +0000".encode(), uid=0, gid=0, modified=0
    )


def d(version: str = "1", mode: int = 0o755) -> Entry:
    """Return a directory."""
    return Entry(
        mode=stat.S_IFDIR | mode, size=4096, changed=f"2026-01-01 {version} +0000".encode(), uid=0, gid=0, modified=0
    )


def listing(**entries: Entry) -> dict[bytes, Entry]:
    return {path.replace("__", "/").encode(): entry for path, entry in entries.items()}


def seen(
    own: Mapping[bytes, Entry],
    tree: Mapping[bytes, Entry] | None = None,
    below: Mapping[bytes, Entry] | None = None,
    on: tuple[int, ...] = (),
) -> Seen:
    return Seen(own=own, tree=own if tree is None else tree, below=below or {}, on=frozenset(on))


def paths(*layers: Seen) -> dict[str, int]:
    """Return in which layer each path is to be seen; those around are left out where they are not needed."""
    union, unknown = united(layers)
    assert not unknown
    found = left(union, TREES)
    assert set(found.files) | set(found.directories) <= set(union)
    return {path.decode(): union[path].layer for path in sorted({*found.files, *found.directories})}


def test_what_is_deleted_is_not_there_and_a_directory_around_nothing_neither() -> None:
    own = listing(src=d("2"), src__x=GONE, src2=d("2"), src2__new=f())
    tree = listing(src=d("2"), src2=d("2"), src2__new=f(), other=f())
    below = listing(src=d(), src__x=f(), src2=d(), other=f())

    assert paths(seen(own, tree, below)) == {"src2": 0, "src2/new": 0}


def test_a_directory_with_another_mode_is_a_change() -> None:
    assert paths(seen(listing(src=d("2", 0o700)), listing(src=d("2", 0o700)), listing(src=d()))) == {"src": 0}


def test_a_later_layer_wins_and_hides_what_it_deleted_with_all_below() -> None:
    first = listing(a=f(), b=d(), b__c=d(), b__c__x=f(), k=f())
    own = listing(a=f("2"), b=GONE)
    tree = listing(a=f("2"), k=f())

    assert paths(seen(first), seen(own, tree, on=(0,))) == {"a": 1, "k": 0}


def test_a_directory_made_anew_hides_what_was_in_it_only_from_those_who_saw_it() -> None:
    first = listing(out=d(), out__a=f(), out__s=d(), out__s__x=f())
    own, tree = listing(out=d("2"), out__b=f()), listing(out=d("2"), out__b=f())

    assert paths(seen(first), seen(own, tree, on=(0,))) == {"out": 1, "out/b": 1}
    assert paths(seen(first), seen(own, tree)) == {"out": 1, "out/a": 0, "out/b": 1, "out/s": 0, "out/s/x": 0}


def test_what_one_side_has_deleted_does_not_come_back_from_the_other() -> None:
    first = listing(x=f())
    deleting = seen(listing(x=GONE, b=f()), listing(b=f()), on=(0,))
    beside = seen(listing(c=f()), listing(c=f(), x=f()), on=(0,))

    assert paths(seen(first), deleting, beside) == {"b": 1, "c": 2}


def test_kinds_change_both_ways() -> None:
    first = listing(a=d(), a__x=f(), b=f())
    own = listing(a=f("2"), b=d("2"), b__y=f())

    assert paths(seen(first), seen(own, own, on=(0,))) == {"a": 1, "b": 1, "b/y": 1}


def test_a_directory_that_came_from_elsewhere_must_be_looked_into() -> None:
    own = listing(dist=d("2"), build=GONE)
    tree = listing(dist=d("2"), dist__f=f("built"), dist__sub=d("built"), dist__same=f())
    below = listing(dist=d(), build=d(), dist__f=f(), dist__sub=d(), dist__same=f())
    layer = seen(own, tree, below)

    union, unknown = united([layer])

    assert unknown == {0: {b"dist/sub"}}
    assert {path for path, found in union.items() if not found.around} == {b"dist/f", b"dist/sub"}
    deeper = Seen(
        own=own,
        tree={**tree, **listing(dist__sub=d("built"), dist__sub__y=f(), dist__sub__z=d())},
        below=below,
        deep=frozenset({b"dist/sub"}),
    )
    assert paths(deeper) == {"dist": 0, "dist/f": 0, "dist/sub": 0, "dist/sub/y": 0, "dist/sub/z": 0}


def test_what_an_earlier_layer_had_where_a_directory_came_from_elsewhere_is_hidden() -> None:
    first = seen(
        listing(dist=d("a"), dist__sub=d("a"), dist__sub__old=f()),
        listing(dist=d("a"), dist__sub=d("a"), dist__sub__old=f()),
        listing(dist=d(), dist__sub=d()),
    )
    second = Seen(
        own=listing(dist=d("b")),
        tree=listing(dist=d("b"), dist__sub=d("built"), dist__sub__new=f()),
        below=listing(dist=d(), dist__sub=d()),
        on=frozenset({0}),
        deep=frozenset({b"dist/sub"}),
    )

    assert paths(first, second) == {"dist": 1, "dist/sub": 1, "dist/sub/new": 1}


def test_changes_that_were_made_one_after_the_other_come_to_what_is_left() -> None:
    first = Changes(
        files=(b"a/x", b"a/y", b"k"),
        directories=((b"a", d()), (b"b", d())),
        around=((b"src", d()),),
        deleted=(b"src/z",),
    )
    second = Changes(files=(b"a/y", b"b"), around=((b"a", d("2")),), deleted=(b"a/x", b"b"))

    assert applied([first, second]) == {
        b"a": Found(layer=1, entry=d("2")),
        b"a/y": Found(layer=1),
        b"b": Found(layer=1),
        b"k": Found(layer=0),
        b"src": Found(layer=0, entry=d(), around=True),
    }


def test_outer_directories_come_first_and_files_know_their_tree() -> None:
    union = {
        b"a/b/f": Found(layer=1, entry=f()),
        b"a/b": Found(layer=0, entry=d(), around=True),
        b"a": Found(layer=2, entry=d(), around=True),
        b"idle": Found(layer=0, entry=d(), around=True),
    }

    found = left(union, TREES)

    assert list(found.directories) == [b"a", b"a/b"]
    assert found.files == {b"a/b/f": TREES[1]}


def volume(name: str) -> Volume:
    return Volume(name=name, path=f"/v/{name}")


def layer(number: int, *on: int, plain: bool = False) -> Layer:
    upper = volume(f"u{number}")
    if plain:
        return Layer(upper=upper, tree=upper, below=None, on=frozenset(on))
    return Layer(upper=upper, tree=volume(f"t{number}"), below=volume("below"), on=frozenset(on))


def records(entries: Mapping[bytes, Entry]) -> bytes:
    return b"".join(record(path, entry) for path, entry in entries.items())


def test_the_layers_of_all_branches_are_looked_at_in_one_container_and_what_they_share_is_mounted_once() -> None:
    one, two = listing(a=f()), listing(b=f("2"))
    shown: tuple[Mapping[bytes, Entry], ...] = (one, one, {}, two, {}, {})
    fake = FakeHelpers(output=b"\0".join(map(records, shown)) + b"\0")

    found = look(as_helpers(fake), "run", [[layer(1)], [], [layer(2, plain=True)]])

    assert [dict(each.files) for each in found] == [{b"a": volume("t1")}, {}, {b"b": volume("u2")}]
    [mounted] = fake.mounted
    assert sorted(mounted.values()) == ["below", "t1", "u1", "u2"]
    [arguments] = fake.arguments
    targets = {source: target for target, source in mounted.items()}
    assert arguments[1:] == (targets["u1"], targets["t1"], targets["below"], targets["u2"], "", "")


def test_no_layer_at_all_costs_no_container() -> None:
    fake = FakeHelpers()

    assert [(each.files, each.directories) for each in look(as_helpers(fake), "run", [[], []])] == [({}, {})] * 2
    assert fake.mounted == []


class Twice(FakeHelpers):
    """Shows more when it is asked again."""

    def run(self, *arguments: Any, **more: Any) -> bytes:  # noqa: ANN401 - those of the original
        output = super().run(*arguments, **more)
        self.output = records(listing(dist__sub=d("x"), dist__sub__y=f())) + b"\0"
        return output


def test_a_directory_from_elsewhere_is_looked_into_in_the_tree_of_its_layer() -> None:
    shown = (listing(dist=d("2")), listing(dist=d("2"), dist__sub=d("x")), listing(dist=d()))
    fake = Twice(output=b"\0".join(map(records, shown)) + b"\0")

    [found] = look(as_helpers(fake), "run", [[layer(7)]])

    assert set(found.files) == {b"dist/sub/y"}
    assert fake.mounted[1] == {"/0": "t7"}
    assert fake.inputs == {"0": b"./dist/sub\0"}


def test_every_xargs_of_a_script_is_told_to_do_nothing_for_nothing() -> None:
    for script in (unions._LOOK, unions._LOOK_DEEP):
        assert script.count("xargs -0 -r ") == script.count("xargs")


def test_trees_are_only_looked_at() -> None:
    fake = FakeHelpers(output=b"\0\0\0")

    look(as_helpers(fake), "run", [[layer(1)]])

    assert fake.read_only == {"u1", "t1", "below"}
