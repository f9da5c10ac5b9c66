import io
import os
import socket
import stat
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.backends.docker import answers as protocol
from runner.backends.docker.answers import Answers, LongAnswerError, NoAnswerError
from runner.backends.docker.tars import packed
from runner.engine.backend import STDERR, STDOUT
from runner.errors import InfrastructureError
from tests.support.answering import Shell, sandbox_shell
from tests.support.connections import connection_pair, frame

LAID_OUT = ["bell", "released", "requests", "returns", "scripts", "values"]
SHIM = packed({"bin/set_env": b"#!/bin/sh\n", "tools/retry": b"#!/bin/sh\n"}, 0o755)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with sandbox_shell(tmp_path) as made:
        yield made


@pytest.fixture
def answers(shell: Shell) -> Iterator[Answers]:
    with shell.client() as made:
        yield made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return sorted(tar.getnames())


def test_a_sandbox_says_what_is_lacking_until_it_has_been_filled(shell: Shell, answers: Answers) -> None:
    assert answers.ask("open", packed({}, 0o666)).split() == [b"shim", b"config"]

    answers.ask("fill_shim", SHIM)
    answers.ask("fill_config", packed({"a": b"1"}, 0o644))

    assert answers.ask("open", packed({}, 0o666)) == b"begun\n"
    assert (shell.shim / "tools" / "retry").read_bytes() == b"#!/bin/sh\n"
    assert (shell.config / "a").read_bytes() == b"1"


def test_what_an_earlier_run_has_left_is_there_before_the_first_step_and_once(shell: Shell, answers: Answers) -> None:
    assert answers.ask("restore", packed({".env": b"A=1\n"}, 0o666)).split() == [b"new"]
    restored = shell.state / ".restored"
    (restored / "f.big").write_bytes(b"x")  # as the engine's archive call does
    answers.ask("open", packed({"e.a": b"1\n"}, 0o666))
    (shell.outputs / ".env").write_bytes(b"A=2\n")

    assert answers.ask("restore", packed({".env": b"A=1\n"}, 0o666)) == b""
    assert answers.ask("open", packed({"e.a": b"2\n"}, 0o666)).split()[0] == b"begun"
    assert {path.name: path.read_bytes() for path in (shell.state / "values").iterdir()} == {
        "e.a": b"1\n",
        "f.big": b"x",
    }
    assert (shell.outputs / ".env").read_bytes() == b"A=2\n"
    assert not restored.exists()


def test_a_restoration_that_was_cut_off_is_made_again(shell: Shell, answers: Answers) -> None:
    answers.ask("restore", packed({".env": b"A=0\n"}, 0o666))

    assert answers.ask("restore", packed({".env": b"A=1\n"}, 0o666)).split() == [b"new"]
    assert (shell.outputs / ".env").read_bytes() == b"A=1\n"


def test_what_an_earlier_run_has_returned_is_there_before_the_first_step_and_once(
    shell: Shell, answers: Answers
) -> None:
    for content in (b"half", b"json\n1"):  # a first time that was cut off
        answers.ask("restore_returns", packed({"m.a": content, "o.a,k": b"x\n"}, 0o666))
    answers.ask("open", packed({}, 0o666))
    (shell.state / "returns" / "m.a").write_bytes(b"json\n2")

    answers.ask("restore_returns", packed({"m.a": b"json\n1", "m.b": b"json\n3"}, 0o666))

    left = {path.name: path.read_bytes() for path in (shell.state / "returns").iterdir()}
    assert left == {"m.a": b"json\n2", "o.a,k": b"x\n"}
    assert mode(shell.state / "returns" / "o.a,k") == 0o666


def test_a_mark_is_left_like_those_of_gates_and_follows_no_link(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({}, 0o666))
    answers.ask("mark", b"runner-r-s-t")
    answers.ask("mark", b"runner-r-s-t")
    marks = shell.state / "released"
    assert [path.name for path in marks.iterdir()] == ["runner-r-s-t"]

    elsewhere = shell.state / "elsewhere"
    marks.rename(elsewhere)
    marks.symlink_to(elsewhere)
    with pytest.raises(InfrastructureError, match="mark"):
        answers.ask("mark", b"other")
    assert not (elsewhere / "other").exists()


def test_there_is_a_place_for_requests_and_a_bell_before_the_first_step(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({}, 0o666))

    modes = {name: mode(shell.state / name) for name in ("requests", "returns", "bell", "scripts")}
    assert modes == {"requests": 0o777, "returns": 0o777, "bell": 0o666, "scripts": 0o755}
    assert (shell.state / "bell").read_bytes() == b""


def test_a_bell_that_has_rung_and_requests_stay_when_the_next_sandbox_starts(tmp_path: Path) -> None:
    for content in (b"", b"..", b"...."):
        with sandbox_shell(tmp_path) as shell, shell.client() as answers:
            answers.ask("open", packed({}, 0o666))
            assert (shell.state / "bell").read_bytes() == content
            (shell.state / "bell").write_bytes(content + b"..")
            (shell.state / "requests" / f"0000000{len(content)}.a").touch()
            assert len(answers.ask("read_requests", token="t" * 32)) > 0
    assert len(list((tmp_path / "state" / "requests").iterdir())) == 3


@pytest.mark.parametrize("planted", ["fifo", "link"])
def test_a_bell_that_a_step_has_replaced_holds_no_sandbox_up(tmp_path: Path, planted: str) -> None:
    (tmp_path / "state").mkdir()
    if planted == "fifo":
        os.mkfifo(tmp_path / "state" / "bell")
    else:
        (tmp_path / "state" / "bell").symlink_to(tmp_path / "shim" / "made")

    with sandbox_shell(tmp_path) as shell, shell.client() as answers:
        answers.ask("open", packed({}, 0o666))

    assert not (tmp_path / "shim" / "made").exists()


def test_the_directories_of_steps_are_open_to_every_user_and_their_volume_is_not(
    shell: Shell, answers: Answers
) -> None:
    answers.ask("open", packed({}, 0o666))

    assert [mode(path) for path in (shell.values, shell.state / "released", shell.outputs)] == [0o777] * 3
    assert mode(shell.state) == 0o755


def test_the_configuration_is_closed_until_it_is_complete(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({}, 0o666))
    assert mode(shell.config) == 0o700

    with pytest.raises(InfrastructureError, match="fill_config"):
        answers.ask("fill_config", b"no tar at all" * 100)
    assert mode(shell.config) == 0o700

    answers.ask("fill_config", packed({"secure-properties/a": b"1", ".hidden ü": b"2"}, 0o644))
    assert (mode(shell.config), mode(shell.config / "secure-properties" / "a")) == (0o755, 0o644)
    assert (shell.config / ".hidden ü").read_bytes() == b"2"


def test_a_store_begins_with_its_first_values_and_is_not_reset(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({"p.a": b"1\n"}, 0o666))
    assert mode(shell.values / "p.a") == 0o666
    (shell.values / "p.a").write_bytes(b"of a step\n")
    (shell.values / "e.b").write_bytes(b"2\n")

    answers.ask("open", packed({"p.a": b"1\n", "p.c": b"3\n"}, 0o666))

    assert sorted(path.name for path in shell.values.iterdir()) == ["e.b", "p.a"]
    assert (shell.values / "p.a").read_bytes() == b"of a step\n"


def test_values_are_put_over_those_of_their_names_and_nothing_is_left_aside(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({"p.a": b"1\n"}, 0o666))

    answers.ask("put", packed({"p.a": b"2\n", "p.b": b"3\n"}, 0o666))

    assert {path.name: path.read_bytes() for path in shell.values.iterdir()} == {"p.a": b"2\n", "p.b": b"3\n"}
    assert sorted(path.name for path in shell.state.iterdir()) == LAID_OUT


def test_a_shim_that_somebody_is_filling_is_taken_as_it_is(shell: Shell, answers: Answers) -> None:
    (shell.shim / ".dead" / "bin").mkdir(parents=True)
    (shell.shim / "tools").mkdir()
    (shell.shim / "tools" / "retry").write_bytes(b"another's")
    assert b"shim" in answers.ask("open", packed({}, 0o666))

    answers.ask("fill_shim", SHIM)
    answers.ask("fill_shim", SHIM)

    assert (shell.shim / "tools" / "retry").read_bytes() == b"another's"
    assert sorted(path.name for path in (shell.shim / "bin").iterdir()) == ["set_env"]
    assert b"shim" not in answers.ask("open", packed({}, 0o666))


def test_a_body_that_cannot_be_unpacked_is_read_to_its_end_and_leaves_nothing(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({"p.a": b"1\n"}, 0o666))
    harm = b"\nput 0 0 0\nfill_config 0 0 0\n" * 10_000

    for sent in (harm, packed({"p.b": b"1" * 5000, "p.c": b"2"}, 0o666)[:4000]):
        for verb in ("put", "fill_shim"):
            with pytest.raises(InfrastructureError, match=f"cannot do {verb}"):
                answers.ask(verb, sent)

    assert sorted(path.name for path in shell.state.iterdir()) == LAID_OUT
    assert [path.name for path in shell.values.iterdir()] == ["p.a"]
    assert list(shell.shim.iterdir()) == []
    assert answers.ask("read_outputs", most=1 << 16)
    assert mode(shell.config) == 0o700


def test_the_outputs_come_as_a_tar_of_their_directory(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({}, 0o666))
    (shell.outputs / ".env").write_bytes(b"A=1\n")

    assert names_in(answers.ask("read_outputs", most=1 << 16)) == ["outputs", "outputs/.env"]


def test_an_answer_that_is_too_long_is_none_and_the_next_one_is_sound(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({}, 0o666))
    (shell.outputs / "sparse").touch()
    os.truncate(shell.outputs / "sparse", 1 << 40)
    with pytest.raises(LongAnswerError, match="more to say than 65,536 bytes"):
        answers.ask("read_outputs", most=1 << 16)
    (shell.outputs / "sparse").unlink()

    assert names_in(answers.ask("read_outputs", most=1 << 16)) == ["outputs"]


@pytest.mark.parametrize("content", [b"\n", b"\n0123456789abcdef0123456789abcdef 0\n", bytes(range(256)) * 40, b""])
def test_any_bytes_pass(shell: Shell, answers: Answers, content: bytes) -> None:
    answers.ask("open", packed({}, 0o666))
    (shell.outputs / "f").write_bytes(content)

    with tarfile.open(fileobj=io.BytesIO(answers.ask("read_outputs", most=1 << 20))) as tar:
        member = tar.extractfile("outputs/f")
        assert member is not None
        assert member.read() == content


def test_a_store_that_a_step_replaced_by_a_link_is_neither_read_nor_written(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({}, 0o666))
    shell.values.rmdir()
    shell.values.symlink_to(shell.shim)
    (shell.shim / "e.secret").write_bytes(b"of another place\n")

    assert answers.ask("read_values") == b"lost\n"
    with pytest.raises(InfrastructureError, match="cannot do put"):
        answers.ask("put", packed({"p.a": b"1\n"}, 0o666))
    assert not (shell.shim / "p.a").exists()


def test_a_client_that_died_in_a_line_does_no_harm_to_the_next(shell: Shell) -> None:
    assert shell.process.stdin is not None
    shell.process.stdin.write(b"open 0123")
    shell.process.stdin.flush()

    for _ in range(2):
        with shell.client() as answers:
            assert b"shim" in answers.ask("open", packed({}, 0o666))
    assert shell.process.poll() is None


def test_a_sandbox_outlives_the_end_of_its_input(shell: Shell) -> None:
    assert shell.process.stdin is not None
    shell.process.stdin.close()

    with pytest.raises(subprocess.TimeoutExpired):
        shell.process.wait(0.3)


def test_a_sandbox_that_is_to_leave_ends_and_is_asked_nothing_more(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({}, 0o666))

    assert answers.leave()

    assert shell.process.wait(5) == 0
    assert not answers.usable
    assert not answers.leave()


@pytest.fixture
def pair() -> Iterator[tuple[Answers, socket.socket]]:
    connection, engine = connection_pair()
    made = Answers("box", connection)
    yield made, engine
    made.close()
    engine.close()


def reply(engine: socket.socket, *pieces: tuple[int, bytes]) -> None:
    for stream, data in pieces:
        engine.sendall(frame(stream, data))


def test_an_answer_may_come_in_pieces_and_what_is_on_stderr_is_none_of_it(
    pair: tuple[Answers, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, engine = pair
    monkeypatch.setattr(protocol, "new_token", lambda: "token")
    told = b"\ntoken:\nsome\ntext\ntoken 0\n"
    reply(engine, (STDERR, b"noise"), *((STDOUT, told[at : at + 1]) for at in range(len(told))))

    assert answers.ask("any", b"body") == b"some\ntext"
    assert engine.recv(1 << 16) == b"\nany token 1048577 4\nbody"


def test_a_status_is_an_error_with_what_was_said(
    pair: tuple[Answers, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, engine = pair
    monkeypatch.setattr(protocol, "new_token", lambda: "token")
    reply(engine, (STDOUT, b"\ntoken:\ntar: no space left\n\ntoken 7\n"))

    with pytest.raises(InfrastructureError, match="box cannot do put: tar: no space left") as caught:
        answers.ask("put")

    assert not isinstance(caught.value, NoAnswerError)
    assert answers.usable


@pytest.mark.parametrize("sent", [b"", b"\nanother:\n\nanother 0\n", b"\ntoken:\n", b"\ntoken:\n\ntoken 0"])
def test_who_does_not_answer_in_time_is_not_asked_again(
    pair: tuple[Answers, socket.socket], monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    answers, engine = pair
    monkeypatch.setattr(protocol, "new_token", lambda: "token")
    reply(engine, (STDOUT, sent))

    with pytest.raises(NoAnswerError, match=r"nothing came for 0\.1 seconds"):
        answers.ask("any", stall=0.1)
    assert not answers.usable
    with pytest.raises(NoAnswerError, match="not asked any more"):
        answers.ask("any")


def test_what_was_meant_for_a_client_before_is_no_part_of_an_answer(
    pair: tuple[Answers, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, engine = pair
    monkeypatch.setattr(protocol, "new_token", lambda: "token")
    reply(engine, (STDOUT, b"x" * 3000), (STDOUT, b"y\nother 0\n\ntoken:\nmine\ntoken 0\n"))

    assert answers.ask("any", most=100) == b"mine"


def test_who_sends_without_end_is_cut_off(pair: tuple[Answers, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    answers, engine = pair
    monkeypatch.setattr(protocol, "new_token", lambda: "token")
    reply(engine, (STDOUT, b"\ntoken:\n" + b"x" * 1000))

    with pytest.raises(NoAnswerError, match="more than it was asked for"):
        answers.ask("any", most=100)


def test_who_trickles_is_given_up_at_the_deadline_of_the_whole(
    pair: tuple[Answers, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, _ = pair
    monkeypatch.setattr(protocol, "_ALL_SECONDS", 0.2)

    with pytest.raises(NoAnswerError, match=r"more than 0\.2 seconds"):
        answers.ask("any", stall=60)


def test_a_stream_that_ends_is_no_answer(pair: tuple[Answers, socket.socket]) -> None:
    answers, engine = pair
    engine.shutdown(socket.SHUT_RDWR)

    with pytest.raises(NoAnswerError):
        answers.ask("any")
    assert not answers.usable


def test_who_is_cut_off_while_it_is_asked_answers_at_once(pair: tuple[Answers, socket.socket]) -> None:
    answers, _ = pair
    timer = threading.Timer(0.1, answers.cut)
    timer.start()

    with pytest.raises(NoAnswerError):
        answers.ask("any", stall=60)
    timer.join()


def test_who_is_being_asked_something_is_not_told_to_leave(pair: tuple[Answers, socket.socket]) -> None:
    answers, engine = pair

    def ask() -> None:
        with pytest.raises(NoAnswerError):
            answers.ask("any", stall=60)

    asking = threading.Thread(target=ask)
    asking.start()
    assert engine.recv(1 << 16)

    assert not answers.leave()

    assert answers.usable
    answers.cut()
    asking.join()


def test_who_is_gone_is_not_told_to_leave(pair: tuple[Answers, socket.socket]) -> None:
    answers, engine = pair
    engine.close()

    assert not answers.leave()
    assert not answers.usable


def test_requests_of_several_threads_are_answered_one_after_the_other(shell: Shell, answers: Answers) -> None:
    answers.ask("open", packed({}, 0o666))
    found: list[list[str]] = []

    def ask() -> None:
        found.append(names_in(answers.ask("read_outputs", most=1 << 16)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [["outputs"]] * 8
