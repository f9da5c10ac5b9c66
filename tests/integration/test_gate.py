"""The gate in the shells that images have: what gets through, and that half a payload runs nothing."""

import hashlib
import time
from collections.abc import Iterator
from io import BytesIO
from tarfile import DIRTYPE, TarFile, TarInfo
from typing import Any

import pytest

from runner.backends.docker import gate
from runner.engine.backend import Ending, Phase, Signal
from runner.engine.specs import Release
from runner.errors import InfrastructureError
from tests.support.attempts import BUSYBOX, DEBIAN, Recorder, Stand, build_images, wait_for

BASH = "runner-test-bash:local"
SHELLS = (BUSYBOX, DEBIAN, BASH)
OTHERS = {BUSYBOX: "ash", DEBIAN: "bash", BASH: "/bin/dash"}
"""A shell of each image that is not the one behind its /bin/sh, as far as it has one."""
UNRELEASED = Ending(exit_code=125, reason="it ended at the gate, before its script", started=False)


@pytest.fixture(scope="module")
def built() -> Iterator[Stand]:
    build_images()
    with Stand() as found:
        _make_bash_image(found.api)
        yield found
    found.api.remove_image(BASH)


@pytest.fixture(params=[pytest.param(image, marks=pytest.mark.sampled) for image in SHELLS])
def stand(built: Stand, request: pytest.FixtureRequest) -> Stand:
    built.image = request.param
    return built


def _make_bash_image(api: Any) -> None:  # noqa: ANN401  # the stubs leave half of it out
    config = api.create_container_config(DEBIAN, ["ln", "-sf", "bash", "/bin/sh"])
    container = api.create_container_from_config(config)["Id"]
    api.start(container)
    assert api.wait(container)["StatusCode"] == 0
    name, tag = BASH.split(":")
    api.commit(container, name, tag)
    api.remove_container(container)


def test_the_shells_are_the_ones_that_are_meant(built: Stand) -> None:
    built.image = BASH
    assert built.commands('[ "$BASH_VERSION" ]')[0].exit_code == 0
    built.image = DEBIAN
    assert built.commands('[ -z "$BASH_VERSION" ] && [ "$(readlink /bin/sh)" = dash ]')[0].exit_code == 0


def test_commands_run_traced_in_the_working_directory_with_nothing_of_the_gate_left(stand: Stand) -> None:
    left = 'echo "${runner_go-}${runner_end-}${runner_size-}${runner_text-}${TINI_KILL_PROCESS_GROUP-}clean"'
    ending, recorder = stand.commands('echo "$# $0"; pwd', "cat; echo input is empty", left)

    assert ending == Ending(exit_code=0)
    assert recorder.err == b""
    assert recorder.out.decode().splitlines() == [
        '$ echo "$# $0"; pwd',
        "0 sh",
        "/workspace",
        "$ cat; echo input is empty",
        "input is empty",
        f"$ {left}",
        "clean",
    ]
    assert recorder.closed
    assert recorder.gaps == []


def test_commands_of_several_lines_are_traced_as_written_and_share_one_shell(stand: Stand) -> None:
    ending, recorder = stand.commands("A=1\nif true; then", "printf '%s' \"$A\\n\"", "fi")

    assert ending.exit_code == 0
    assert recorder.out.decode() == "$ A=1\nif true; then\n$ printf '%s' \"$A\\n\"\n1\\n$ fi\n"


def test_values_arrive_byte_by_byte(stand: Stand) -> None:
    values = {
        "QUOTES": 'it\'s "$HOME" `id` \\ $(id)',
        "LINES": "a\n\n b\t\n",
        "BYTES": "\udcff\udcfe é ☃",
        "EMPTY": "",
        "GLOB": "* ? [a]",
        "g": "1",
        "s": "2",
        "t": "3",
    }
    ending, recorder = stand.commands(
        'printf "%s|" "$QUOTES" "$LINES" "$BYTES" "$EMPTY" "$GLOB" "$g" "$s" "$t"', **values
    )

    assert ending.exit_code == 0
    written = recorder.out.split(b"\n", 1)[1]
    assert written == b"".join(value.encode("utf-8", "surrogateescape") + b"|" for value in values.values())


def test_values_reach_programs_and_are_shown_nowhere(stand: Stand) -> None:
    spec = stand.step("env | grep TOKEN; sleep 5")
    address, recorder = stand.begin(spec, {"TOKEN": "s3cret"})
    wait_for(recorder.first.is_set)
    shown = str(stand.api.inspect_container(stand.containers._known(address).container))
    stand.containers.signal(address, Signal.KILL)
    stand.end(address, recorder)
    stand.containers.discard(address)

    assert b"TOKEN=s3cret\n" in recorder.out
    assert "s3cret" not in shown
    assert "TOKEN" not in shown


def test_a_value_of_the_longest_length_reaches_a_program(stand: Stand) -> None:
    value = "x" * (gate.LONGEST_VARIABLE - len("LONG="))
    ending, recorder = stand.commands("env | wc -c", LONG=value)

    assert ending.exit_code == 0
    assert int(recorder.out.split()[-1]) > gate.LONGEST_VARIABLE


def test_a_variable_that_the_shell_keeps_for_itself_does_not_end_the_script(stand: Stand) -> None:
    ending, recorder = stand.commands("echo still here", UID="4", OPTIND="none", PPID="x", SHELLOPTS="y")

    assert ending.exit_code == 0
    assert recorder.out.endswith(b"still here\n")


@pytest.mark.parametrize("code", [0, 1, 7, 125, 126, 127, 137, 143])
def test_the_exit_code_is_the_scripts(built: Stand, code: int) -> None:
    built.image = DEBIAN

    assert built.commands(f"exit {code}")[0] == Ending(exit_code=code)


def test_the_first_command_that_fails_ends_the_script(stand: Stand) -> None:
    ending, recorder = stand.commands("echo one", "false", "echo two")

    assert ending.exit_code == 1
    assert recorder.out == b"$ echo one\none\n$ false\n"


def test_a_syntax_error_is_exit_code_2_with_the_shells_message(stand: Stand) -> None:
    ending, recorder = stand.commands("echo 'unclosed")

    assert ending == Ending(exit_code=2)
    assert recorder.err != b""


def test_a_script_that_closes_its_output_is_not_failed_by_the_trace(stand: Stand) -> None:
    ending, _ = stand.commands("exec >&- 2>&-", "true", "exit 9")

    assert ending.exit_code == 9


@pytest.mark.parametrize("size", [1_000_000, 10_000_000])
def test_a_large_script_runs_whole(stand: Stand, size: int) -> None:
    filler = "# " + "x" * 97 + "\n"
    command = filler * (size // len(filler)) + "echo the end"
    ending, recorder = stand.commands(command)

    assert ending.exit_code == 0
    assert hashlib.sha256(recorder.out).digest() == hashlib.sha256(f"$ {command}\nthe end\n".encode()).digest()


def test_a_user_without_rights_gets_through(stand: Stand) -> None:
    ending, recorder = stand.run_through(stand.step("id -u", user="1000"))

    assert ending == Ending(exit_code=0)
    assert recorder.out == b"$ id -u\n1000\n"


@pytest.mark.parametrize("place", ["nothing", "first word", "exports", "script", "token"])
def test_a_payload_cut_off_anywhere_runs_nothing(stand: Stand, place: str) -> None:
    spec = stand.step("echo ran")
    recorder = Recorder()
    stand.prepare(spec)
    stand.containers.follow(spec.address, recorder, recorder.wake)
    attempt = stand.containers._known(spec.address)
    whole = gate.payload({"A": "b"}, gate.script(spec.commands), "0123456789abcdef")
    cuts = {
        "nothing": 0,
        "first word": 2,
        "exports": whole.index(b"A='b"),
        "script": whole.index(b"echo ran\n#") + 8,
        "token": len(whole) - 4,
    }
    assert attempt.connection is not None
    attempt.connection.send(whole[: cuts[place]], 5, attempt.tap.over)
    attempt.connection.end_input()
    ending = stand.end(spec.address, recorder)
    stand.containers.discard(spec.address)

    assert ending == UNRELEASED
    assert recorder.out == b""


def test_a_gate_whose_client_dies_ends_by_itself_and_is_made_anew(stand: Stand) -> None:
    spec = stand.step("echo ran")
    assert stand.prepare(spec) is Phase.READY
    first = stand.containers._known(spec.address).container
    stand.client.die()
    began = time.monotonic()
    wait_for(lambda: not stand.api.inspect_container(first)["State"]["Running"])
    took = time.monotonic() - began
    code = stand.api.inspect_container(first)["State"]["ExitCode"]
    stand.new_client()
    ending, recorder = stand.run_through(spec)

    assert took < 1
    assert code == 125
    assert ending == Ending(exit_code=0)
    assert recorder.out == b"$ echo ran\nran\n"


def test_a_mark_stands_before_the_script_runs_and_forbids_a_second_release(stand: Stand) -> None:
    spec = stand.step("ls -A /run/runner/released")
    ending, recorder = stand.run_through(spec)
    again, silent = stand.run_through(spec)

    assert ending.exit_code == 0
    assert spec.address.step.replace(" ", "_") in recorder.out.decode()
    assert again.exit_code == 125
    assert silent.out == b""
    assert silent.err != b""


def test_an_attempt_that_cannot_be_marked_does_not_run(stand: Stand) -> None:
    spec = stand.step("echo ran")
    placement = stand.placement(spec)
    stand.containers.prepare(spec, type(placement)(**{**vars(placement), "marks": "/nowhere"}))
    recorder = Recorder()
    stand.containers.follow(spec.address, recorder, recorder.wake)
    stand.containers.release(spec.address, Release())
    ending = stand.end(spec.address, recorder)
    stand.containers.discard(spec.address)

    assert ending == UNRELEASED
    assert recorder.out == b""
    assert b"/nowhere" in recorder.err


def test_a_trap_runs_within_a_second_of_term_although_a_program_runs(stand: Stand) -> None:
    address, recorder = stand.begin(stand.step("trap 'echo trapped; exit 9' TERM", "echo ready; sleep 100"))
    wait_for(lambda: recorder.out.endswith(b"ready\n"))
    began = time.monotonic()
    stand.containers.signal(address, Signal.TERM)
    ending = stand.end(address, recorder)
    took = time.monotonic() - began
    stand.containers.discard(address)

    assert ending.exit_code == 9
    assert recorder.out.endswith(b"trapped\n")
    assert took < 1


def test_a_parked_attempt_that_is_killed_never_started(stand: Stand) -> None:
    spec = stand.step("echo ran")
    recorder = Recorder()
    stand.prepare(spec)
    stand.containers.follow(spec.address, recorder, recorder.wake)
    stand.containers.signal(spec.address, Signal.KILL)
    ending = stand.end(spec.address, recorder)
    with pytest.raises(InfrastructureError, match="did not take its script"):
        stand.containers.release(spec.address, Release())
    stand.containers.discard(spec.address)

    assert (ending.exit_code, ending.started) == (137, False)


def test_a_name_that_no_shell_can_export_is_one_of_the_container(stand: Stand) -> None:
    environment = {"PARAMETER_DRY-RUN": "true", "PLAIN": "1"}
    ending, recorder = stand.run_through(stand.step("tr '\\0' '\\n' </proc/$$/environ; echo $PLAIN"), environment)

    assert ending == Ending(exit_code=0)
    assert b"PARAMETER_DRY-RUN=true\n" in recorder.out
    assert recorder.out.endswith(b"\n1\n")


def other(stand: Stand) -> str:
    return OTHERS[stand.image]


def test_another_shell_runs_the_script_as_the_gate_would(stand: Stand) -> None:
    left = 'echo "${runner_go-}${runner_end-}${runner_size-}${runner_text-}${TINI_KILL_PROCESS_GROUP-}clean"'
    commands = ('echo "$# $0"; pwd; id -u', "cat; echo input is empty", left, 'echo "$VALUE"; exit 7')
    spec = stand.step(*commands, shell=other(stand), user="1000")
    ending, recorder = stand.run_through(spec, {"VALUE": "a 'b' $(c)"})

    assert ending == Ending(exit_code=7)
    assert recorder.err == b""
    written = ([f"0 {other(stand)}", "/workspace", "1000"], ["input is empty"], ["clean"], ["a 'b' $(c)"])
    traced = zip(commands, written, strict=True)
    assert recorder.out.decode().splitlines() == [
        line for command, lines in traced for line in (f"$ {command}", *lines)
    ]


def test_what_only_bash_can_do_works_where_bash_is_asked_for(built: Stand) -> None:
    built.image = DEBIAN
    ending, recorder = built.run_through(
        built.step("a=(x y); echo ${a[1]}", "set -o pipefail; exit 6 | :", shell="bash")
    )

    assert ending == Ending(exit_code=6)
    assert recorder.out.splitlines()[1] == b"y"


def test_another_shell_takes_a_large_script_whole(stand: Stand) -> None:
    command = ("# " + "x" * 97 + "\n") * 10_000 + "echo the end"
    ending, recorder = stand.run_through(stand.step(command, shell=other(stand)))

    assert ending.exit_code == 0
    assert hashlib.sha256(recorder.out).digest() == hashlib.sha256(f"$ {command}\nthe end\n".encode()).digest()


def test_a_trap_runs_in_another_shell_too(stand: Stand) -> None:
    spec = stand.step("trap 'echo trapped; exit 9' TERM", "echo ready; sleep 100", shell=other(stand))
    address, recorder = stand.begin(spec)
    wait_for(lambda: recorder.out.endswith(b"ready\n"))
    stand.containers.signal(address, Signal.TERM)
    ending = stand.end(address, recorder, 5)
    stand.containers.discard(address)

    assert ending.exit_code == 9
    assert recorder.out.endswith(b"trapped\n")


def test_a_shell_that_the_image_does_not_have_is_127_and_named(stand: Stand) -> None:
    ending, recorder = stand.run_through(stand.step("echo ran", shell="fish"))

    assert ending == Ending(exit_code=127)
    assert recorder.out == b""
    assert recorder.err.startswith(b"shell fish: no such program in this image")


def test_an_image_without_a_shell_is_refused_for_commands(built: Stand) -> None:
    spec = built.step("echo hi")

    with pytest.raises(InfrastructureError, match=r"need a shell, and image .* has no /bin/sh"):
        built.containers.prepare(spec, built.placement(spec, has_shell=False))

    assert [found for found in built.ours() if found["Labels"]["io.runner.role"] == "step"] == []


def test_an_image_without_a_shell_runs_its_own_entrypoint(built: Stand) -> None:
    image = _make_image_without_shell(built.api)
    try:
        spec = built.step(image=image)
        ending, recorder = built.run_through(spec, {"A B": "1"})
        failing, complaint = built.run_through(built.step(image=image, entrypoint=("/nothing",)))
    finally:
        built.api.remove_image(image)

    assert ending == Ending(exit_code=0)
    assert b"A B=1\n" in recorder.out
    assert failing.exit_code == 127
    assert b"/nothing" in complaint.err


def _make_image_without_shell(api: Any) -> str:  # noqa: ANN401  # the stubs leave half of it out
    config = api.create_container_config(BUSYBOX, ["true"])
    source = api.create_container_from_config(config)["Id"]
    try:
        chunks, _ = api.get_archive(source, "/bin/busybox")
        found = BytesIO(b"".join(chunks))
    finally:
        api.remove_container(source)
    target = BytesIO()
    with TarFile(fileobj=found) as archive, TarFile(fileobj=target, mode="w") as image:
        member = archive.getmember("busybox")
        program = archive.extractfile(member)
        tools = TarInfo("tools")
        tools.type, tools.mode = DIRTYPE, 0o755
        image.addfile(tools)
        member.name = "tools/env"
        image.addfile(member, program)
    name = "runner-test-noshell:local"
    api.import_image_from_data(target.getvalue(), *name.split(":"), changes=['ENTRYPOINT ["/tools/env"]'])
    return name
