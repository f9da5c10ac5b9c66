from runner.backends.docker import listing, uppers
from runner.backends.docker.uppers import Layer, Written, join, look
from runner.backends.docker.volumes import Volume
from runner.workspace.changes import FORMAT, Changes
from tests.support.helping import DIRECTORY, FakeHelpers, as_helpers, record

NASTY = b"$(reboot) '\"\n;`"


def layer(name: str, *, below: bool = True) -> Layer:
    return Layer(
        upper=Volume(name=name, path=f"/v/{name}"),
        below=Volume(name=f"under-{name}", path=f"/v/under-{name}") if below else None,
    )


def test_layers_are_looked_at_in_one_go() -> None:
    first = b"./f\0./d/g\0\0" + b"./d\0./build\0\0" + record(b"build", DIRECTORY) + b"\0"
    fake = FakeHelpers(output=first + b"\0" + b"\0" + b"\0")

    found = look(as_helpers(fake), "run", [layer("a"), layer("b", below=False)])

    assert found == [
        Written(files=frozenset({b"f", b"d/g"}), directories=frozenset({b"d", b"build"}), new={b"build": DIRECTORY}),
        Written(),
    ]
    assert fake.mounted == [{"/upper0": "a", "/below0": "under-a", "/upper1": "b"}]
    assert fake.arguments == [(FORMAT, "/upper0", "/below0", "/upper1", "")]


def test_a_directory_that_two_stages_made_loses_its_mark_in_the_upper_one() -> None:
    fake = FakeHelpers()
    written = [
        Written(directories=frozenset({b"build"}), new={b"build": DIRECTORY}),
        Written(directories=frozenset({b"build", b"own"}), new={b"build": DIRECTORY, b"own": DIRECTORY}),
    ]

    join(as_helpers(fake), "run", [layer("a"), layer("b")], written)

    [[member]] = fake.members()
    assert fake.mounted == [{"/to": "b"}]
    assert (member.name, member.mode, member.uid, member.gid, member.mtime) == ("build", 0o750, 7, 8, 1234)
    assert member.pax_headers["SCHILY.xattr.trusted.overlay.opaque"] == "n"


def test_a_directory_that_was_made_again_keeps_its_mark() -> None:
    fake = FakeHelpers()
    written = [Written(directories=frozenset({b"dir"})), Written(directories=frozenset({b"dir"}))]

    join(as_helpers(fake), "run", [layer("a"), layer("b")], written)

    assert fake.put_archives == []


def test_a_directory_is_joined_with_any_layer_below_not_only_the_next() -> None:
    fake = FakeHelpers()
    made = Written(directories=frozenset({b"build"}), new={b"build": DIRECTORY})

    join(as_helpers(fake), "run", [layer("a"), layer("b"), layer("c")], [made, Written(), made])

    assert fake.mounted == [{"/to": "c"}]


def test_listings_come_in_the_order_of_the_trees() -> None:
    fake = FakeHelpers(output=record(b"x", DIRECTORY) + b"\0" + record(b"y", DIRECTORY) + b"\0")
    trees = [Volume(name=name, path="/v").mount(f"/{name}") for name in ("one", "two")]

    assert listing.listings(as_helpers(fake), "run", trees) == [{b"x": DIRECTORY}, {b"y": DIRECTORY}]
    assert fake.arguments == [(FORMAT, "/one", "/two")]


def test_no_name_of_a_users_gets_into_a_script() -> None:
    fake = FakeHelpers()
    changes = Changes(files=(NASTY, b"-rf"), directories=((b"d" + NASTY, DIRECTORY),), deleted=(b"gone" + NASTY,))
    volume = Volume(name="v", path="/v")

    listing.apply(as_helpers(fake), "run", changes, source=volume.mount("/from"), target=volume.mount("/to"))

    assert all("reboot" not in script for script in fake.scripts)
    assert fake.inputs == {
        "directories": b"./d" + NASTY + b"\0",
        "removed": b"./gone" + NASTY + b"\0./" + NASTY + b"\0./-rf\0",
        "0": b"./" + NASTY + b"\0./-rf\0",
    }


def test_directories_get_mode_owner_and_time_after_they_were_filled() -> None:
    fake = FakeHelpers()
    changes = Changes(files=(b"a/b/f",), around=((b"a", DIRECTORY),), directories=((b"a/b", DIRECTORY),))
    volume = Volume(name="v", path="/v")

    listing.apply(as_helpers(fake), "run", changes, source=volume.mount("/from"), target=volume.mount("/to"))

    [members] = fake.members()
    assert [(member.name, member.mode, member.uid, member.mtime) for member in members] == [
        ("a", 0o750, 7, 1234),
        ("a/b", 0o750, 7, 1234),
    ]


def test_nothing_changed_costs_no_container() -> None:
    fake = FakeHelpers()
    volume = Volume(name="v", path="/v")

    listing.apply(as_helpers(fake), "run", Changes(), source=volume.mount("/from"), target=volume.mount("/to"))
    join(as_helpers(fake), "run", [], [])

    assert fake.mounted == []


def test_every_xargs_of_a_script_is_told_to_do_nothing_for_nothing() -> None:
    for script in (listing._BRING, uppers._LOOK):
        assert script.count("xargs -0 -r ") == script.count("xargs")
