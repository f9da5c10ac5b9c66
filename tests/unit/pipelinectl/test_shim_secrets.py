"""Secrets: kept apart, and told to the log before anybody can read them."""

import base64
import os
import re
import subprocess
from threading import Thread

import pytest

from runner.logs.markers import Redactor
from runner.logs.mask import Mask
from tests.support.shim import Shim

SHORT, LONG = "one", "a longer line"
LINES = "".join(f"{number:05} {LONG} {'%' * (number % 9)}\n\n" for number in range(400))
MIXED = f"{SHORT}\n{LONG}\n{'z%0A' * 3000}\n{LONG} 2"
FITS = 4000 - len("::add-mask::\n")


def letters(size: int) -> str:
    """Return as many characters, with no repetition that a part of them could match by chance."""
    return "".join(f"{number:06}" for number in range(size))[:size]


# The last part of some would be one byte, and five, if all parts were of one length.
TOO_LONG = [
    letters(FITS + 1),
    letters(2 * 3648 + 1),
    letters(3 * 3648 + 5),
    letters(60000),
    "%" * 9001,
    LINES,
    LINES[: 912 * 8 + 1],
    MIXED,
]
BLANK = "\n" * 5000 + LONG


def writes_of(shim: Shim, secret: str) -> list[bytes]:
    """Return what ``set_secret`` has printed, write by write: a pipe with O_DIRECT keeps them apart (pipe(2))."""
    reader, writer = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    writes: list[bytes] = []

    def read() -> None:
        with os.fdopen(reader, "rb", buffering=0) as source:
            writes.extend(iter(lambda: source.read(1 << 16), b""))

    collector = Thread(target=read)
    collector.start()
    command = [str(shim.home / "bin" / "set_secret"), "k"]
    try:
        subprocess.run(
            command, input=secret.encode(), stdout=writer, stderr=subprocess.DEVNULL, env=shim.variables, check=True
        )
    finally:
        os.close(writer)
        collector.join()
    return writes


@pytest.mark.parametrize(
    ("value", "announced"),
    [
        (SHORT, [SHORT]),
        ("-n \\n * $HOME ::add-mask::x", ["-n \\n * $HOME ::add-mask::x"]),
        ("100% %0A", ["100% %0A", "100%25 %250A"]),
        (f"{SHORT}\n\n{LONG}", [f"{SHORT}%0A%0A{LONG}", LONG]),
        (f"{LONG}\r\n%{LONG}\n", [f"{LONG}%0D%0A%25{LONG}%0A", f"{LONG}\r", f"%{LONG}"]),
        ("", []),
    ],
)
def test_a_secret_and_its_lines_are_announced_on_both_streams(shim: Shim, value: str, announced: list[str]) -> None:
    done = shim.call("set_secret", "k", value)

    lines = "".join(f"::add-mask::{line}\n" for line in announced).encode()
    assert (done.status, done.out, done.err) == (0, lines, lines)
    assert (shim.kept_secrets(), shim.store()) == ({"s.k": f"{value}\n".encode()}, {})


def test_a_secret_of_standard_input_is_announced_likewise(shim: Shim) -> None:
    done = shim.call("set_secret", "k", stdin=f"{LONG}\n{SHORT}\n".encode())

    assert done.out == done.err == f"::add-mask::{LONG}%0A{SHORT}\n::add-mask::{LONG}\n".encode()
    assert shim.kept_secrets() == {"s.k": f"{LONG}\n{SHORT}\n".encode()}


def test_the_announcement_is_what_the_log_hides(shim: Shim) -> None:
    value = f"{LONG} 1%0A\n50%\n{LONG} 2"
    redactor = Redactor(Mask())

    printed = shim.call("set_secret", "k", value).out + f"<{value}> <{LONG} 2>\n".encode()

    assert redactor.feed(printed) + redactor.finish() == b"<***> <***>\n"


def test_the_longest_line_that_a_pipe_takes_at_once_is_announced_as_a_whole(shim: Shim) -> None:
    assert writes_of(shim, letters(FITS)) == [f"::add-mask::{letters(FITS)}\n".encode()]


@pytest.mark.parametrize("value", [*TOO_LONG, BLANK], ids=lambda value: f"{len(value)}-{value.count(chr(10))}")
def test_what_others_print_cannot_cut_an_announcement(shim: Shim, value: str) -> None:
    writes = writes_of(shim, value)

    assert len(writes) > 1
    assert [line for line in writes if len(line) > 4000 or line.count(b"\n") != 1 or line[-1:] != b"\n"] == []
    assert [line for line in writes if not line.startswith(b"::add-mask::")] == []


@pytest.mark.parametrize("value", TOO_LONG, ids=lambda value: f"{len(value)}-{value.count(chr(10))}")
def test_the_parts_of_a_long_secret_mask_the_whole_its_lines_and_its_base64(shim: Shim, value: str) -> None:
    """Where parts meet at white space, which the log does not count as part of a secret, base64 shows 3 characters."""
    redactor = Redactor(Mask())
    announced = b"printed by another\n".join(writes_of(shim, value))
    printed = [line for line in value.splitlines() if len(line) >= 6]
    encoded = base64.b64encode(value.strip().encode()).decode()

    shown = redactor.feed(announced + "\n".join([value, *printed, encoded]).encode()) + redactor.finish()

    assert not redactor.refused
    left = re.split(rb"\*{3}|\s+", shown.replace(b"printed by another\n", b""))
    assert [text for text in left if len(text) > 3] == []


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
