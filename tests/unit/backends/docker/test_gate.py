"""What is sent to the gate, and what is refused. That the shells take it is shown in tests/integration/test_gate.py."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.backends.docker import gate
from runner.errors import InfrastructureError

TOKEN = "0123456789abcdef"
FAILED_GATE = 125


SHELLS = ["/usr/bin/dash", "/usr/bin/bash", "/usr/bin/busybox"]


def through(tmp_path: Path, sent: bytes, shell: str = "/bin/sh") -> subprocess.CompletedProcess[bytes]:
    """Run the gate in a shell of this machine, by the name ``sh``."""
    _, *arguments = gate.entrypoint(str(tmp_path / "mark"))
    return subprocess.run(["sh", *arguments], executable=shell, input=sent, capture_output=True, check=False)


def executed(
    tmp_path: Path, script: str, shell: str = "/bin/sh", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a script in a file as the gate does."""
    file = tmp_path / "it's a script"
    file.write_bytes(gate.script_file(script))
    file.chmod(0o755)
    return through(tmp_path, gate.payload(environment, gate.execution(script, str(file)), TOKEN), shell)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("script", "out"),
    [
        ('echo "$WORD $0"; false; echo on', "hello {file}\non\n"),
        ("#!/bin/cat\n$WORD\n", "#!/bin/cat\n$WORD\n"),
        ("#!/usr/bin/env bash\n[[ -n $BASH_VERSION ]] && echo $WORD", "hello\n"),
        ('#! /bin/sh -u\r\necho "$-"', "u\n"),
        ("#!/bin/cat", "#!/bin/cat"),
        ("#!\necho plain", "plain\n"),
        ("#! \necho plain", "plain\n"),
        ("\n#!/bin/cat\necho second line", "second line\n"),
        ("cat; echo input is empty", "input is empty\n"),
        ("case $PATH in /opt/runner/bin:*) echo ours first ;; esac", "ours first\n"),
        ("printf 'a\\303\\251'; printf '%s' 'é\\t'", "aéé\\t"),
    ],
)
def test_a_script_runs_as_a_file_whose_first_line_counts(tmp_path: Path, script: str, out: str, shell: str) -> None:
    done = executed(tmp_path, script, shell, WORD="hello")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == out.replace("{file}", str(tmp_path / "it's a script"))
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("#!/usr/bin/env bash\nexit 125", 125), ("kill -9 $$", -9)]
)
def test_the_exit_code_is_that_of_the_script(tmp_path: Path, script: str, code: int) -> None:
    assert executed(tmp_path, script).returncode == code


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("first", ["#!/usr/bin/no-such", "#! /usr/bin/no-such -e", "#!/usr/bin/no-such\r", "#!it's"])
def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path, first: str, shell: str) -> None:
    done = executed(tmp_path, f"{first}\necho never", shell)

    name = first.removeprefix("#!").split()[0]
    assert (done.returncode, done.stdout) == (127, b"")
    assert done.stderr.decode() == f"script: this image has no {name}, which its first line asks for\n"


def test_what_env_does_not_find_it_names_itself(tmp_path: Path) -> None:
    done = executed(tmp_path, "#!/usr/bin/env no-such-program\n")

    assert done.returncode == 127
    assert b"no-such-program" in done.stderr


def test_a_script_of_any_size_runs_and_any_byte_of_it_arrives(tmp_path: Path) -> None:
    text = "x" * (1 << 20) + "\udcff\n"

    done = executed(tmp_path, f"#!/bin/cat\n{text}")

    assert done.stdout == f"#!/bin/cat\n{text}".encode("utf-8", "surrogateescape")


def test_only_the_end_of_a_first_line_that_counts_is_changed() -> None:
    assert gate.script_file("#!/bin/sh\r\na\r\n") == b"#!/bin/sh\na\r\n"
    assert gate.script_file("echo\r\n#!/bin/sh\r\n") == b"echo\r\n#!/bin/sh\r\n"
    with pytest.raises(InfrastructureError, match="the script: holds half a character"):
        gate.script_file("\ud800")


def test_a_payload_is_go_token_length_and_a_body_that_ends_with_the_token() -> None:
    sent = gate.payload({"A": "1"}, "true", TOKEN)
    head, body = sent.split(b"\n", 3)[:3], sent.split(b"\n", 3)[3]

    assert head == [b"go", TOKEN.encode(), str(len(body)).encode()]
    exported, path, *rest = body.split(b"\n")
    assert exported == b"command export A='1' || :"
    assert path.startswith(b'command export "PATH=/opt/runner/bin:')
    assert rest == [b"true", b"#" + TOKEN.encode(), b""]


ENGINE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.mark.parametrize("shell", ["", "bash"])
@pytest.mark.parametrize(
    ("environment", "own"),
    [
        ({"PATH": "/a b:/bin:/usr/bin:~:*"}, "/a b:/bin:/usr/bin:~:*"),
        ({"PATH": ""}, ENGINE_PATH),
        ({}, os.environ["PATH"]),
    ],
)
def test_the_commands_of_steps_come_first_on_whatever_the_path_is(
    tmp_path: Path, environment: dict[str, str], own: str, shell: str
) -> None:
    script = gate.script(["printenv PATH"])
    done = through(tmp_path, gate.payload(environment, script, TOKEN, shell))

    assert done.stdout.splitlines()[-1].decode() == f"/opt/runner/bin:{own}"
    assert gate.path(environment.get("PATH", own)) == f"/opt/runner/bin:{own}"


def test_an_opened_gate_leaves_its_mark_and_runs_the_script(tmp_path: Path) -> None:
    done = through(tmp_path, gate.payload({"A": "it's"}, gate.script(['echo "$A"', "exit 7"]), TOKEN))

    assert (done.returncode, done.stdout) == (7, b'$ echo "$A"\nit\'s\n$ exit 7\n')
    assert (tmp_path / "mark").read_bytes() == b""


def test_a_payload_cut_off_at_any_byte_runs_nothing_and_leaves_no_mark(tmp_path: Path) -> None:
    sent = gate.payload({"A": "1"}, gate.script(["echo ran"]), TOKEN)
    for size in range(len(sent) - 1):
        done = through(tmp_path, sent[:size])
        assert (done.returncode, done.stdout, (tmp_path / "mark").exists()) == (FAILED_GATE, b"", False), size


def test_a_gate_opens_without_waiting_for_the_end_of_its_input(tmp_path: Path) -> None:
    with subprocess.Popen(
        gate.entrypoint(str(tmp_path / "mark")), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(gate.payload({}, "echo ran", TOKEN))
        process.stdin.flush()
        code = process.wait(10)
        assert process.stdout is not None
        written = process.stdout.read()

    assert (code, written) == (0, b"ran\n")


def test_a_mark_that_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "mark").write_bytes(b"kept")
    done = through(tmp_path, gate.payload({}, "echo ran", TOKEN))

    assert (done.returncode, done.stdout) == (FAILED_GATE, b"")
    assert (tmp_path / "mark").read_bytes() == b"kept"


def test_a_mark_is_not_written_through_a_planted_link(tmp_path: Path) -> None:
    (tmp_path / "mark").symlink_to(tmp_path / "target")
    done = through(tmp_path, gate.payload({}, "echo ran", TOKEN))

    assert done.returncode == FAILED_GATE
    assert not (tmp_path / "target").exists()


@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50))
@settings(max_examples=60, deadline=None)
def test_any_value_comes_through_quoted(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    sent = gate.payload({"A": value}, 'printf "%s" "$A"', TOKEN)

    assert through(tmp_path_factory.mktemp("marks"), sent).stdout == value.encode()


@given(command=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50))
@settings(max_examples=60, deadline=None)
def test_any_command_is_traced_exactly_as_written(command: str) -> None:
    trace = gate.script([command]).removeprefix("set -e\n").removesuffix(f"\n{command}")
    run = subprocess.run(["/bin/sh"], input=trace.encode(), capture_output=True, check=False)

    assert (run.stdout, run.stderr) == (f"$ {command}\n".encode(), b"")


def test_bytes_that_are_no_text_are_sent_as_they_are() -> None:
    assert b"'\xff\xfe'" in gate.payload({"A": "\udcff\udcfe"}, "true", TOKEN)
    assert b"\nprintf '%s\\n' '$ echo \xff' || :\necho \xff\n" in gate.payload({}, gate.script(["echo \udcff"]), TOKEN)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(InfrastructureError, match="A: holds half a character"):
        gate.payload({"A": "\ud800"}, "true", TOKEN)


@pytest.mark.parametrize("name", ["A", "_", "a1_", "Z9"])
def test_these_names_a_shell_can_export(name: str) -> None:
    assert gate.exportable(name)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "a.b", "A B", "É", "A\n"])
def test_these_names_no_shell_can_export(name: str) -> None:
    assert not gate.exportable(name)
    with pytest.raises((ValueError, InfrastructureError)):
        gate.payload({name: "1"}, "true", TOKEN)


@pytest.mark.parametrize("name", ["", "A=B", "A\nB", "A\0"])
def test_names_that_no_process_can_have_are_refused(name: str) -> None:
    with pytest.raises(InfrastructureError, match="not a name"):
        gate.checked({name: "1"})


def test_odd_names_that_a_process_can_have_pass() -> None:
    environment = {"PARAMETER_DRY-RUN": "1", "a.b": "", "É": "2"}

    assert gate.checked(environment) == environment


def test_a_value_with_a_nul_is_refused_by_its_name() -> None:
    with pytest.raises(InfrastructureError, match="variable NUL: its value holds a NUL byte"):
        gate.checked({"NUL": "a\0b"})


def test_a_command_with_a_nul_is_refused() -> None:
    with pytest.raises(InfrastructureError, match="NUL"):
        gate.script(["echo a\0b"])


def test_the_longest_variable_passes_and_one_byte_more_is_refused_by_its_name() -> None:
    longest = "é" * ((gate.LONGEST_VARIABLE - 3) // 2)
    gate.checked({"AB": longest})

    with pytest.raises(InfrastructureError, match="variable AB: 131,073 bytes"):
        gate.checked({"AB": longest + "é"})


def test_the_kernel_agrees_with_the_longest_variable() -> None:
    fits = "x" * (gate.LONGEST_VARIABLE - 2)
    subprocess.run(["/bin/true"], env={"A": fits}, check=True)

    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["/bin/true"], env={"A": fits + "x"}, check=True)


def test_the_mark_travels_as_an_argument() -> None:
    argv = gate.entrypoint("/a 'b' $(c)")

    assert argv[-1] == "/a 'b' $(c)"
    assert argv[:2] == ["/bin/sh", "-c"]
    assert "(c)" not in argv[2]


def handed(tmp_path: Path, text: str) -> subprocess.CompletedProcess[bytes]:
    """Let the gate hand a script to a shell that shows what it has been given on its input."""
    shell = tmp_path / "it's a shell"
    shell.write_text('#!/bin/sh\nprintf "%s|" "$0" "$1" "$3"\ncat\n')
    shell.chmod(0o755)
    return through(tmp_path, gate.payload({"A": "1"}, text, TOKEN, str(shell)))


@given(text=st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=80))
@settings(max_examples=40, deadline=None)
def test_another_shell_is_handed_any_text_as_it_is(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("marks")
    name = str(place / "it's a shell")
    done = handed(place, text)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == f"{name}|-c|{name}|{text}\n".encode()


@pytest.mark.parametrize("text", ["cat <<EOF\n$A\nEOF", f"echo {TOKEN}", f"# {TOKEN}\n #{TOKEN}", "echo 'a\n' \\"])
def test_a_script_with_here_documents_or_a_look_at_the_token_is_handed_over_whole(tmp_path: Path, text: str) -> None:
    assert handed(tmp_path, text).stdout.endswith(f"|{text}\n".encode())


@pytest.mark.parametrize("ahead", ["", *(TOKEN[:size] for size in range(1, 5)), "a", "aa", "b", f"a{TOKEN}"])
def test_what_follows_the_beginning_of_the_token_is_not_lost(tmp_path: Path, ahead: str) -> None:
    text = "\n".join(f"{begin}{ahead}\u00e9\u0080" for begin in ("", *"abc0 #"))

    assert handed(tmp_path, text).stdout.endswith(f"|{text}\n".encode())


def test_lines_that_begin_in_every_way_are_refused_for_another_shell_alone() -> None:
    text = "\n".join(map(chr, range(32, 127)))

    with pytest.raises(InfrastructureError, match="cannot be handed to another shell"):
        gate.payload({}, text, TOKEN, "bash")
    assert text.encode() in gate.payload({}, text, TOKEN)


def test_another_shell_runs_the_script_with_its_exports_and_no_input(tmp_path: Path) -> None:
    text = gate.script(["a=(x y)", 'cat; echo "$0 $# ${a[1]} $A"', "exit 7"])
    done = through(tmp_path, gate.payload({"A": "it's"}, text, TOKEN, "bash"))

    assert done.returncode == 7
    assert done.stdout.splitlines()[2] == b"bash 0 y it's"
    assert done.stderr == b""


def test_a_payload_for_another_shell_cut_off_at_any_byte_runs_nothing(tmp_path: Path) -> None:
    sent = gate.payload({"A": "1"}, gate.script(["echo ran"]), TOKEN, "bash")
    for size in range(0, len(sent) - 1, 3):
        done = through(tmp_path, sent[:size])
        assert (done.returncode, done.stdout, (tmp_path / "mark").exists()) == (FAILED_GATE, b"", False), size


@pytest.mark.parametrize("shell", ["no-such-shell", "/no/such", "/bin/sh -x", "-x", "it's", "$(echo bash)"])
def test_a_shell_that_is_not_there_is_named_and_runs_nothing(tmp_path: Path, shell: str) -> None:
    done = through(tmp_path, gate.payload({}, "echo ran", TOKEN, shell))

    assert (done.returncode, done.stdout) == (gate.NO_SHELL, b"")
    assert done.stderr.startswith(f"shell {shell}: no such program in this image".encode())


def test_a_shell_is_looked_for_in_the_path_that_the_step_is_given(tmp_path: Path) -> None:
    own = tmp_path / "bin" / "mine"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho mine\n")
    own.chmod(0o755)
    done = through(tmp_path, gate.payload({"PATH": f"{own.parent}:/usr/bin:/bin"}, "true", TOKEN, "mine"))

    assert (done.returncode, done.stdout) == (0, b"mine\n")
