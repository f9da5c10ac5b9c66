"""Files, results, repositories, artifacts and data."""

from functools import partial
from pathlib import Path

import pytest

from tests.support.shim import Shim

THINGS = pytest.mark.parametrize("thing", ["repo", "artifact"])
BYTES = bytes(range(256)) * 5 + b"\n\n\0"


def listing(thing: str) -> str:
    return f"list_{thing}s"


def test_a_file_comes_back_byte_for_byte(shim: Shim) -> None:
    (shim.work / "f").write_bytes(BYTES)

    assert shim.call("save_file", "a/key", "f").status == 0
    (shim.work / "f").write_bytes(b"after")
    assert shim.call("load_file", "a/key").out == BYTES
    assert shim.call("save_file", "a/key", "f").status == 0
    assert shim.call("load_file", "a/key").out == b"after"


@pytest.mark.parametrize("name", ["-n", "-", "a b", "*"])
def test_the_path_of_a_file_may_be_odd(shim: Shim, name: str) -> None:
    (shim.work / name).write_bytes(b"it")

    assert shim.call("save_file", "k", name).status == 0
    assert shim.store() == {"f.k": b"it"}


@pytest.mark.parametrize(
    ("path", "about"), [("none", b"there is no file"), (".", b"is a directory"), ("", b"there is no")]
)
def test_what_is_no_file_is_refused_and_the_older_content_kept(shim: Shim, path: str, about: bytes) -> None:
    (shim.work / "f").write_bytes(b"older")
    shim.run("save_file k f; save_result stage f")

    for command, key in (("save_file", "k"), ("save_result", "stage")):
        done = shim.call(command, key, path)
        assert (done.status, done.out) == (1, b"")
        assert about in done.err
    assert shim.store() == {"f.k": b"older", "t.stage,f": b"older"}


def test_list_files_shows_all_or_those_with_a_prefix(shim: Shim) -> None:
    shim.run('touch f; for key in a-one a-two b "a/x y" "*"; do save_file "$key" f; done; save_file "$1" f', "a" * 200)

    assert shim.call("list_files", "a-").out == b"a-one\na-two\n"
    assert shim.call("list_files", "*").out == b"*\n"
    assert shim.call("list_files", "aaa").out == b"a" * 200 + b"\n"
    assert len(shim.call("list_files").out.splitlines()) == 6
    assert shim.call("list_files", "none").status == 0


def test_a_removed_file_is_gone_and_removing_it_again_succeeds(shim: Shim) -> None:
    (shim.work / "f").write_bytes(b"x")

    assert shim.run("save_file k f; remove_file k; remove_file k").status == 0
    done = shim.call("load_file", "k")
    assert (done.status, done.out) == (1, b"")
    assert b"no file is saved as 'k'" in done.err


def test_a_result_is_called_by_its_base_name(shim: Shim) -> None:
    results = shim.work / "results"
    results.mkdir()
    (results / "mocha.json").write_bytes(BYTES)

    assert shim.call("save_result", "test", "./results/mocha.json").status == 0
    assert shim.call("list_results", "test").out == b"mocha.json\n"
    for wanted in ("mocha.json", "any/where/mocha.json"):
        assert shim.call("load_result", "test", wanted).out == BYTES
    assert shim.call("load_result", "other", "mocha.json").status == 1
    assert shim.call("list_results", "other").out == b""


def test_a_switch_makes_the_path_the_key_of_a_result(shim: Shim) -> None:
    (shim.work / "r.xml").write_bytes(b"1")
    switched = partial(shim.call, environment={"PIPELINECTL_USE_PATH_AS_KEY": "1"})

    assert switched("save_result", "test", "./r.xml").status == 0
    assert shim.call("list_results", "test").out == b"./r.xml\n"
    assert switched("load_result", "test", "./r.xml").out == b"1"
    assert switched("load_result", "test", "r.xml").status == 1
    assert shim.call("load_result", "test", "./r.xml").out == b"1"


@THINGS
def test_properties_of_several_calls_are_merged(shim: Shim, thing: str) -> None:
    save, load = f"save_{thing}", f"load_{thing}"

    done = shim.run(
        f"{save} k a=1 'b=x=y z'; {save} k a=2 c=; {load} k a; {load} k b; {load} k c; {load} k; {listing(thing)}"
    )

    assert (done.status, done.out) == (0, b"2\nx=y z\n\na\nb\nc\nk\n")


@THINGS
def test_one_bare_property_comes_from_standard_input(shim: Shim, thing: str) -> None:
    assert shim.call(f"save_{thing}", "k", "a=1", "bare", "b=2", stdin=b"3 open\n").status == 0

    letter = thing[0]
    expected = {f"{letter}.k": b"", f"{letter}.k,a": b"1\n", f"{letter}.k,bare": b"3 open\n", f"{letter}.k,b": b"2\n"}
    assert shim.store() == expected


@THINGS
def test_two_bare_properties_are_refused(shim: Shim, thing: str) -> None:
    done = shim.call(f"save_{thing}", "k", "a", "b", "c=1", stdin=b"v")

    assert (done.status, done.out) == (2, b"")
    assert b"'a' and 'b' both have no =" in done.err
    assert shim.store() == {}


@THINGS
@pytest.mark.parametrize("arguments", [("=v",), ("a=1", "=v"), ("",)])
def test_a_property_needs_a_name(shim: Shim, thing: str, arguments: tuple[str, ...]) -> None:
    assert shim.call(f"save_{thing}", "k", *arguments).status == 1
    assert shim.store() == {}


@THINGS
def test_a_key_alone_is_registered(shim: Shim, thing: str) -> None:
    assert shim.run(f"save_{thing} team/app,1; load_{thing} team/app,1; {listing(thing)}").out == b"team/app,1\n"


@THINGS
def test_what_is_not_there_matches_no_property(shim: Shim, thing: str) -> None:
    shim.call(f"save_{thing}", "k", "a=1")

    for arguments in (("none", "a"), ("none",), ("k", "none")):
        done = shim.call(f"load_{thing}", *arguments)
        assert (done.status, done.out) == (1, b"")
        assert b"no matching properties found" in done.err


def test_repositories_artifacts_and_data_are_separate(shim: Shim) -> None:
    shim.run("save_repo k v=repo; save_artifact k v=artifact; put_data k v data")

    assert shim.run("load_repo k v; load_artifact k v; get_data k v").out == b"repo\nartifact\ndata\n"


def test_a_property_of_one_key_is_not_that_of_a_longer_one(shim: Shim) -> None:
    shim.run("save_repo app url=1; save_repo app-two url=2; save_repo app,url x=3")

    assert shim.call("load_repo", "app").out == b"url\n"
    assert shim.call("list_repos").out == b"app\napp%2Curl\n".replace(b"%2C", b",") + b"app-two\n"


def test_data_has_properties_and_no_value_from_standard_input(shim: Shim) -> None:
    assert shim.run("put_data k p ''; put_data k q 2; get_data k; get_data k q; get_data k p").out == b"p\nq\n2\n\n"
    assert shim.call("put_data", "k", "p", stdin=b"x").status == 2
    for arguments in (("none",), ("none", "p"), ("k", "none")):
        assert shim.call("get_data", *arguments).status == 1


def test_the_results_of_stages_are_data(shim: Shim) -> None:
    Path(shim.values, "d.result,test").write_text("success\n")

    assert shim.run("get_data result; get_data result test").out == b"test\nsuccess\n"


@THINGS
def test_a_property_may_have_a_default(shim: Shim, thing: str) -> None:
    load = f"load_{thing}"

    done = shim.run(f"save_{thing} k a=1; {load} k a d; {load} k none d; {load} none a 'd d'; {load} k none ''")

    assert (done.status, done.out, done.err) == (0, b"1\nd\nd d\n", b"")


def test_names_that_no_command_makes_are_left_out(shim: Shim) -> None:
    for name in ("r.a%F ", "r.%", "r.%zz", f"r.~{'0' * 64}", "r.k,%4", "r.good", "e.%", "e.good", "f.%x", "s.%x"):
        (shim.values / name).write_text("x\n")

    done = shim.run(
        "list_repos; list_env; list_files; load_repo k || load_repo good; pipelinectl serialize --all-repos good"
    )

    assert (done.status, done.err) == (0, b"")
    assert done.out == b'good\ngood\n{"version": 1, "env": {"good": "x"}, "repositories": {"good": {}}}\n'
