"""Values: the forms of set_env and set_envc, where get_env looks, and what is marked."""

import pytest

from tests.support.shim import Shim


def test_pairs_are_set_in_one_call(shim: Shim) -> None:
    done = shim.call("set_env", "a", "1", "b", "", "c", "-n")

    assert (done.status, done.out, done.err) == (0, b"", b"")
    assert shim.store() == {"e.a": b"1\n", "e.b": b"\n", "e.c": b"-n\n"}


@pytest.mark.parametrize("arguments", [(), ("a", "1", "b"), ("a", "1", "b", "2", "c")])
def test_a_wrong_number_of_arguments_sets_nothing(shim: Shim, arguments: tuple[str, ...]) -> None:
    done = shim.call("set_env", *arguments, stdin=b"x")

    assert (done.status, done.out) == (2, b"")
    assert done.err.startswith(b"pipelinectl: set_env: ")
    assert b"usage: set_env <key>" in done.err
    assert shim.store() == {}


@pytest.mark.parametrize(
    ("given", "kept"),
    [(b"v", b"v\n"), (b"v\n", b"v\n"), (b"v\n\n", b"v\n\n"), (b"", b"\n"), (b"\n", b"\n"), (b"a\nb", b"a\nb\n")],
)
def test_standard_input_loses_one_newline_at_its_end(shim: Shim, given: bytes, kept: bytes) -> None:
    assert shim.call("set_env", "k", stdin=given).status == 0

    assert shim.store() == {"e.k": kept}
    assert shim.call("get_env", "k").out == kept


def test_standard_input_is_left_alone_where_values_are_given(shim: Shim) -> None:
    calls = 'set_env k ""; set_env a 1 b 2; set_envc c 3; put_data d p 4; export_env k; set_secret s 5 >&2; cat'

    assert shim.run(calls, stdin=b"not read").out == b"not read"


def test_a_loop_keeps_its_input(shim: Shim) -> None:
    loop = 'while read -r x; do set_env "$x" 1; save_repo r "$x=1"; get_env none "" ; echo "$x"; done'

    assert shim.run(loop, stdin=b"a\nb\nc\n").out == b"a\nb\nc\n"


def test_a_value_of_1_mebibyte_is_taken_and_no_byte_more(shim: Shim) -> None:
    longest = b"v" * 1048576

    assert shim.call("set_env", "k", stdin=longest).status == 0
    assert shim.call("set_env", "l", stdin=longest + b"\n").status == 0
    assert shim.store() == {"e.k": longest + b"\n", "e.l": longest + b"\n"}
    refused = shim.call("set_env", "m", stdin=longest + b"v")
    assert (refused.status, refused.out) == (1, b"")
    assert b"the value is too long" in refused.err
    assert "e.m" not in shim.store()


def test_input_is_read_no_further_than_the_limit(shim: Shim) -> None:
    done = shim.run("yes | set_env k")

    assert done.status == 1
    assert shim.store() == {}


def test_a_nul_byte_is_no_text(shim: Shim) -> None:
    done = shim.call("set_env", "k", stdin=b"a\0b")

    assert (done.status, done.out) == (1, b"")
    assert b"NUL byte" in done.err
    assert shim.store() == {}


@pytest.mark.parametrize("value", ["one", "two"])
def test_a_constant_keeps_its_value_also_against_the_same(shim: Shim, value: str) -> None:
    assert shim.call("set_envc", "k", "one").status == 0

    for command in ("set_env", "set_envc"):
        done = shim.call(command, "k", value)
        assert (done.status, done.out) == (1, b"")
        assert done.err.startswith(f"pipelinectl: {command}: 'k' is a constant".encode())
    assert shim.store() == {"c.k": b"one\n"}


def test_a_constant_cannot_take_over_a_key_of_set_env(shim: Shim) -> None:
    shim.call("set_env", "b", "1")

    done = shim.call("set_envc", "a", "1", "b", "2")

    assert done.status == 1
    assert b"'b' is set already" in done.err
    assert shim.store() == {"e.b": b"1\n"}


def test_a_refused_pair_leaves_the_others_unset(shim: Shim) -> None:
    shim.call("set_envc", "c", "1")

    assert shim.call("set_env", "a", "2", "c", "2").status == 1
    assert shim.call("set_envc", "a", "2", "a", "3").status == 1
    assert shim.store() == {"c.c": b"1\n"}


def test_get_env_looks_for_constants_values_properties_and_answers_in_this_order(shim: Shim) -> None:
    (shim.values / "p.k").write_text("answer\n")
    read = 'get_env k default; printf property >"$CONFIG_DIR/k"; get_env k; set_env k value; get_env k'

    assert shim.run(read + '; rm "$RUNNER_VALUES/e.k"; set_envc k constant; get_env k default').out == (
        b"answer\nproperty\nvalue\nconstant\n"
    )
    assert (shim.config / "k").read_text() == "property"


def test_the_order_is_the_same_for_a_key_that_is_encoded(shim: Shim) -> None:
    (shim.values / "p.a%20b").write_text("answer\n")
    read = 'get_env "a b" default; printf property >"$CONFIG_DIR/a b"; get_env "a b"; set_env "a b" v; get_env "a b"'

    assert shim.run(read).out == b"answer\nproperty\nv\n"


@pytest.mark.parametrize(
    ("content", "printed"),
    [("", "\n"), ("v", "v\n"), ("v\n", "v\n"), ("a\n\n", "a\n\n"), ("a\nb", "a\nb\n"), (" \\n ", " \\n \n")],
)
def test_a_property_is_printed_with_one_newline_at_its_end(shim: Shim, content: str, printed: str) -> None:
    (shim.config / "k").write_text(content)

    assert shim.call("get_env", "k", "default").out == printed.encode()


@pytest.mark.parametrize("key", ["../outside", "..", ".", "secure-properties", "secure-properties/s", "/etc/hostname"])
def test_only_plain_file_names_reach_the_properties(shim: Shim, key: str) -> None:
    (shim.root / "outside").write_text("leaked")
    (shim.config / "secure-properties" / "s").write_text("leaked")

    assert shim.call("get_env", key, "safe").out == b"safe\n"
    assert shim.call("get_secret", f"../{key}", "safe").out == b"safe\n"


def test_a_default_may_be_empty_and_prints_nothing_then(shim: Shim) -> None:
    done = shim.call("get_env", "none", "")

    assert (done.status, done.out, done.err) == (0, b"", b"")


def test_a_missing_key_is_an_error_that_names_it(shim: Shim) -> None:
    done = shim.call("get_env", "no-such")

    assert (done.status, done.out) == (1, b"")
    assert done.err == b"pipelinectl: get_env: nothing is known under 'no-such' (give a default, or set it before)\n"


def test_a_key_of_several_lines_stays_on_one_line_of_a_message(shim: Shim) -> None:
    assert shim.call("get_env", "a\nb").err.count(b"\n") == 1
    assert b"'a%0Ab'" in shim.call("get_env", "a\nb").err


def test_list_env_shows_what_was_set_and_no_values(shim: Shim) -> None:
    (shim.config / "property").write_text("x")
    (shim.values / "p.answer").write_text("x\n")
    shim.run("set_env c secret a/b 2; set_envc b 3; save_repo r v=1; export_env other")

    done = shim.call("list_env")

    assert (done.status, done.out) == (0, b"a/b\nb\nc\n")


def test_export_env_marks_keys_also_before_they_are_set(shim: Shim) -> None:
    shim.call("set_env", "a", "1")

    done = shim.call("export_env", "a", "later")

    assert (done.status, done.out) == (0, b"")
    assert shim.store() == {"e.a": b"1\n", "x.a": b"", "x.later": b""}
    assert shim.call("export_env", "a", "a").status == 0
    assert shim.call("export_env").status == 2


def test_the_older_names_do_the_same(shim: Shim) -> None:
    assert shim.run("save_string k v; get_env k; load_string k; load_string none d").out == b"v\nv\nd\n"


def test_the_subcommands_do_the_same(shim: Shim) -> None:
    assert shim.run("pipelinectl set_env k v; get_env k; set_env k w; pipelinectl get_env k").out == b"v\nw\n"
