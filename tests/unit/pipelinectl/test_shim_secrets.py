"""Secrets: kept apart, and told to the log before anybody can read them."""

import pytest

from tests.support.shim import Shim

MASKED = b"::add-mask::one\n::add-mask::two\n"


@pytest.mark.parametrize("by_input", [False, True])
def test_each_line_of_a_secret_is_announced_on_both_streams(shim: Shim, by_input: bool) -> None:  # noqa: FBT001 - a parameter of the test
    value = "one\n\ntwo"
    done = shim.call("set_secret", "k", stdin=value.encode()) if by_input else shim.call("set_secret", "k", value)

    assert (done.status, done.out, done.err) == (0, MASKED, MASKED)
    assert shim.kept_secrets() == {"s.k": b"one\n\ntwo\n"}
    assert shim.store() == {}


def test_a_secret_is_announced_as_it_is(shim: Shim) -> None:
    value = "-n %s \\n * $HOME ::add-mask::x"

    assert shim.call("set_secret", "k", value).out == f"::add-mask::{value}\n".encode()
    assert shim.call("get_secret", "k").out == f"{value}\n".encode()


def test_an_empty_secret_is_kept_and_masks_nothing(shim: Shim) -> None:
    assert shim.call("set_secret", "k", "").out == b""
    assert shim.call("get_secret", "k", "default").out == b"\n"


def test_a_secret_is_kept_although_nobody_reads_the_announcement(shim: Shim) -> None:
    assert shim.run("set_secret a 1 | true; set_secret b 2 >&- 2>&-; get_secret a; get_secret b").out == b"1\n2\n"


def test_the_announcement_comes_before_the_secret_is_there(shim: Shim) -> None:
    """The reader of a pipe that is full holds the command up in the middle of its announcement."""
    held_up = """
        mkfifo pipe; exec 3<>pipe; value=$(head -c 100000 /dev/zero | tr '\\0' v)
        set_secret k "$value" >pipe 2>/dev/null & sleep 0.3
        get_secret k "not yet"; head -c 100013 <&3 | wc -c | tr -d ' '; wait; get_secret k | wc -c | tr -d ' '
    """

    assert shim.run(held_up).out == b"not yet\n100013\n100001\n"


def test_a_value_is_never_part_of_a_message(shim: Shim) -> None:
    shim.secrets.rmdir()

    done = shim.call("set_secret", "k", "hidden-value")

    assert (done.status, done.out) == (3, b"")
    assert b"hidden-value" not in done.err


def test_more_than_one_pair_is_refused(shim: Shim) -> None:
    done = shim.call("set_secret", "a", "hidden", "b", "2")

    assert (done.status, done.out) == (2, b"")
    assert b"hidden" not in done.err
    assert shim.kept_secrets() == {}


def test_a_secure_property_is_behind_a_secret_and_before_the_default(shim: Shim) -> None:
    (shim.config / "secure-properties" / "k").write_text("property")
    read = "get_secret k d; set_secret k own >/dev/null 2>&1; get_secret k; remove_secret k; get_secret k d"

    assert shim.run(read).out == b"property\nown\nproperty\n"


def test_secrets_and_values_do_not_see_each_other(shim: Shim) -> None:
    shim.run("set_env v plain; set_secret s hidden")

    assert shim.call("get_secret", "v", "none").out == b"none\n"
    assert shim.call("get_env", "s", "none").out == b"none\n"
    assert shim.call("list_env").out == b"v\n"


def test_list_secrets_shows_both_kinds_each_once(shim: Shim) -> None:
    for name in ("both", "property", ".hidden"):
        (shim.config / "secure-properties" / name).write_text("value")
    shim.run('set_secret both 1; set_secret own/key 2; set_secret "$(printf "%0200d" 0)" 3')

    done = shim.call("list_secrets")

    assert done.status == 0
    assert sorted(done.out.splitlines()) == sorted([b"both", b"own/key", b"0" * 200, b"property", b".hidden"])


def test_a_directory_of_secure_properties_need_not_be_there(shim: Shim) -> None:
    done = shim.run("list_secrets; get_secret none d", environment={"SECRET_CONFIG_DIR": f"{shim.root}/absent"})

    assert (done.status, done.out, done.err) == (0, b"d\n", b"")


def test_removing_what_is_not_there_succeeds(shim: Shim) -> None:
    assert shim.call("remove_secret", "none").status == 0


def test_a_missing_secret_is_an_error_that_names_it(shim: Shim) -> None:
    done = shim.call("get_secret", "no-such")

    assert (done.status, done.out) == (1, b"")
    assert b"'no-such'" in done.err
