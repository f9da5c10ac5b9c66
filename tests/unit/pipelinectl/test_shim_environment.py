"""The shim where the caller, its user and its environment are odd."""

import os
from pathlib import Path

import pytest

from tests.support.shim import NOBODY, Shim

ROUND = """
    set_env k v && set_env "k/2" w && get_env k && get_env k/2 && echo x | save_repo r a b=2 && load_repo r a &&
    save_asset n 1 blob '{"a": [1]}' && load_asset n 1 && set_secret s t >/dev/null 2>&1 && get_secret s && list_env
"""
RESULT = b'v\nw\nx\n{"n": "1", "blob":{"a": [1]}}\nt\nk\nk/2\n'


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"IFS": "v/e", "CDPATH": "/", "POSIXLY_CORRECT": "1"},
        {"LC_ALL": "xx_YY.UTF-8", "LANG": "tr_TR", "LC_CTYPE": "C.UTF-8"},
        {"LANG": "C.UTF-8", "GREP_OPTIONS": "-v", "TMPDIR": "/nowhere", "HOME": "/nowhere"},
        {"SHELLOPTS": "errexit:nounset:xtrace:noglob:noclobber:verbose", "BASHOPTS": "extglob"},
        {
            "controls": "x",
            "unique": "x" * 40,
            "drafts": "7",
            "targets": "e.x",
            "name": "x",
            "stdin": "",
            "key": "x",
            "store": "/",
        },
    ],
    ids=["usual", "ifs", "locale", "home", "shellopts", "variables"],
)
def test_variables_of_the_caller_change_nothing(shim: Shim, environment: dict[str, str]) -> None:
    done = shim.run(ROUND, environment=environment)

    assert (done.status, done.out) == (0, RESULT), done.err


@pytest.mark.parametrize("name", ["ENV", "BASH_ENV"])
def test_start_files_of_shells_are_not_read(shim: Shim, name: str) -> None:
    (shim.work / "start").write_text("echo started\n")

    assert shim.call("set_env", "k", "v", environment={name: str(shim.work / "start")}).out == b""


@pytest.mark.parametrize("path", ["/nonexistent", "", ".:/nonexistent"])
def test_the_path_of_the_caller_need_not_hold_any_tool(shim: Shim, path: str) -> None:
    commands = shim.home / "bin"

    done = shim.run(f"PATH={path!r}; {commands}/set_env k v && {commands}/set_env a/b w && {commands}/get_env k")

    assert (done.status, done.out) == (0, b"v\n"), done.err


def test_no_path_at_all_is_enough(shim: Shim) -> None:
    commands = shim.home / "bin"

    assert shim.run(f"unset PATH; {commands}/set_env k v && {commands}/get_env k").out == b"v\n"


def test_a_command_of_the_caller_named_like_ours_is_not_taken(shim: Shim) -> None:
    for name in ("mv", "cat", "head", "set_env"):
        (shim.work / name).write_text("#!/bin/sh\necho impostor\n")
        (shim.work / name).chmod(0o755)

    assert shim.run(f'PATH="$PWD:$PATH"; {shim.home}/bin/set_env k v; {shim.home}/bin/get_env k').out == b"v\n"


@pytest.mark.parametrize("umask", ["077", "777", "000"])
def test_files_are_open_to_every_user_whatever_the_umask(shim: Shim, umask: str) -> None:
    (shim.work / "f").touch()
    done = shim.run(
        f"umask {umask}; set_env k v; echo v | set_env l; save_file f f; save_asset n 1 blob 1; set_secret s v"
    )

    assert done.status == 0
    files = [*shim.values.iterdir(), *shim.secrets.iterdir()]
    assert len(files) == 5
    assert {path.stat().st_mode & 0o777 for path in files} == {0o666}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_users_change_each_others_values(shim: Shim) -> None:
    """A sticky directory would not let them; the engine makes none."""
    assert shim.run(ROUND).out == RESULT
    for user in (NOBODY, 1000, 0):
        done = shim.run('set_env k "$1"; set_env k/2 "$1"; get_env k; get_env k/2', str(user), user=user)
        assert (done.status, done.out) == (0, f"{user}\n{user}\n".encode())
    removed = shim.run("delete_evidences; remove_secret s; list_secrets", user=NOBODY)
    assert (removed.status, removed.out) == (0, b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_unprivileged_user_can_do_all(shim: Shim) -> None:
    done = shim.run(ROUND, user=NOBODY)

    assert (done.status, done.out) == (0, RESULT), done.err
    assert {path.stat().st_uid for path in shim.values.iterdir()} == {NOBODY}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_break_nothing_that_does_not_need_them(shim: Shim, closed: str) -> None:
    done = shim.run(
        f"{{ set_env k v; set_env a/b w; save_asset n 1 blob 1; save_repo r a=1; set_secret s t; }} {closed}; list_env"
    )

    assert done.status == 0
    assert done.out.endswith(b"a/b\nk\n")
    assert len(shim.store()) == 5
    assert shim.kept_secrets() == {"s.s": b"t\n"}


def test_a_directory_that_is_gone_or_closed_is_no_hindrance(shim: Shim) -> None:
    gone = "mkdir d; cd d; rmdir ../d; set_env a 1; set_env b/c 2; get_env a; get_env b/c"
    closed = "mkdir -m 0 closed; set_env a 3; get_env a"

    assert shim.run(gone).out == b"1\n2\n"
    assert shim.run(closed, user=NOBODY).out == b"3\n"


def test_names_that_a_shell_would_expand_stay_as_they_are(shim: Shim) -> None:
    (shim.work / "file").touch()

    done = shim.run("set_env '*' '*' '$(id)' '`id`' '~' '~root'; get_env '*'; get_env '$(id)'; get_env '~'; list_env")

    assert done.out.splitlines() == [b"*", b"`id`", b"~root", b"$(id)", b"*", b"~"]


def test_nothing_is_written_beside_the_stores(shim: Shim, tmp_path: Path) -> None:
    assert shim.run(ROUND, environment={"TMPDIR": str(tmp_path)}).status == 0

    assert list(tmp_path.iterdir()) == []
    assert [path.name for path in shim.work.iterdir()] == []
