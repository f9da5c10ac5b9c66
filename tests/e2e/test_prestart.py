"""Steps come to the same whether their containers are started before their turn or in it, and to wait costs nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from runner.errors import ExitCode
from tests.support.attempts import BUSYBOX, DEBIAN
from tests.support.cli import Finished, Place
from tests.support.offspring import say
from tests.support.prestart import HOLD, MODES, Mode, begun, gates_of, idle_shell, images, made_ready, step, write

BASH, OWN, NO_SHELL = (f"runner-test-prestart-{name}:local" for name in ("bash", "own", "noshell"))
DOCKERFILES = {
    BASH: f"FROM {DEBIAN}\nRUN ln -sf bash /bin/sh\n",
    OWN: f"""\
FROM {BUSYBOX}
RUN mkdir -p /own/bin /own/home && printf '#!/bin/sh\\necho own tool\\n' >/own/bin/tool && chmod 755 /own/bin/tool
ENV PATH=/own/bin:/bin
WORKDIR /own/home
USER 1234
ENTRYPOINT ["/bin/sh", "-c", "tool; id -u; pwd; exit 4"]
""",
    NO_SHELL: f"""\
FROM scratch
COPY --from={BUSYBOX} /bin/busybox /tools/env
ENTRYPOINT ["/tools/env"]
""",
}
SHELLS = {"ash": BUSYBOX, "dash": DEBIAN, "bash": BASH}
"""Images by the shell that is their /bin/sh."""
CODES = (0, 1, 125, 126, 127, 255)
"""Exit codes that a run of the tests looks at which does not look at all (``--all``)."""
SIGNALS = {"KILL": 137, "TERM": 143, "SEGV": 139}
PROCEED = {"ruleset": {"continue": True}}
LONG = 600.0
"""Seconds for a run with all exit codes."""
PRIVATE = 5 << 10
"""How many kB of memory may be the own ones of a container that waits."""


@pytest.fixture(scope="module", autouse=True)
def _images() -> Iterator[None]:
    with images(DOCKERFILES):
        yield


@pytest.fixture
def codes(request: pytest.FixtureRequest) -> tuple[int, ...]:
    return tuple(range(256)) if request.config.option.all else CODES


@pytest.fixture(params=MODES, ids=str)
def mode(request: pytest.FixtureRequest, place: Place) -> Mode:
    found: Mode = request.param
    place.environment = found.environment
    return found


def in_shell(image: str, codes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return steps of an image, each followed by one that is likely to run."""

    def of(name: str, *commands: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any keys of a step
        return step(name, *commands, **{"image": image, **PROCEED, **fields})

    return [
        of("sets", "set_env colour green", 'echo CODE=3 >>"$VELA_OUTPUTS"', "id -u", user="1000"),
        of("gets", '[ "$(get_env colour)" = green ]', 'echo "$CODE"; id -u; exit "$CODE"', user="2000"),
        of("in tmp", "pwd", "cat <&0; echo no input", working_dir="/tmp"),
        of("only an entrypoint", entrypoint=["sh", "-c", "echo $0; exit 9", "entry"]),
        of("behind it", "id -u"),
        of("greedy", "tail /dev/zero", limits={"memory": "32m"}),
        *(of(f"signal {name}", f"kill -{name} $$$$") for name in SIGNALS),
        *(of(f"code {code}", f"exit {code}") for code in codes),
        of("end", "echo end"),
    ]


def in_own_image() -> list[dict[str, Any]]:
    return [
        step("commands", "tool; id -u", "pwd", image=OWN),
        step("its entrypoint", image=OWN, **PROCEED),
        step("another user", "tool; id -u", image=OWN, user="4321"),
        step("end", "echo end"),
    ]


@pytest.mark.timeout(LONG + 60)
def test_steps_come_to_what_they_do_in_every_shell_under_any_user_and_entrypoint(
    place: Place, mode: Mode, codes: tuple[int, ...]
) -> None:
    write(
        place,
        **{shell: in_shell(image, codes) for shell, image in SHELLS.items()},
        own=in_own_image(),
        directories=[
            step("zero", "mkdir old"),
            step("first", "sleep 0.5; rmdir old; mkdir old new; echo text >old/file"),
            step("in old", "cat file; echo more >../new/file", working_dir="old"),
            step("in new", "cat file", working_dir="new"),
        ],
        plain=[step("first", "echo first"), step("next", image=NO_SHELL), step("last", "echo last")],
        no_shell=[step("first", "echo first"), step("next", "echo never", image=NO_SHELL)],
    )

    done = place.start("exec", "--output", "json").finish(LONG)

    assert done.code == ExitCode.INFRASTRUCTURE, done.err
    assert made_ready(place) is mode.ahead
    for shell in SHELLS:
        _check_shell(done, shell, codes)
    told = {done.steps[f"{shell}/greedy"]["reason"] for shell in SHELLS}
    # On a busy machine an engine with cgroup v1 never hears of one in twenty: then its exit code is all there is.
    assert "it reached its memory limit of 32 MiB" in told
    assert len(told - {""}) == 1
    assert done.printed("own/commands") == ["own tool", "1234", "/vela/src"]
    assert done.printed("own/its entrypoint") == ["own tool", "1234", "/vela/src"]
    assert done.printed("own/another user") == ["own tool", "4321"]
    assert _codes(done, "own") == {"commands": 0, "its entrypoint": 4, "another user": 0, "end": 0}
    assert done.printed("directories/in old") == ["text"]
    assert done.printed("directories/in new") == ["more"]
    assert _codes(done, "plain") == {"first": 0, "next": 0, "last": 0}
    assert _codes(done, "no shell") == {"first": 0, "next": None}
    assert f"image {NO_SHELL} has no /bin/sh" in done.steps["no shell/next"]["reason"]


def _check_shell(done: Finished, shell: str, codes: tuple[int, ...]) -> None:
    found = _codes(done, shell)
    assert {name: found.pop(f"signal {name}") for name in SIGNALS} == SIGNALS
    assert {code: found.pop(f"code {code}") for code in codes} == {code: code for code in codes}
    assert found == {
        **dict.fromkeys(("sets", "in tmp", "behind it", "end"), 0),
        "gets": 3,
        "only an entrypoint": 9,
        "greedy": 137,
    }
    assert done.printed(f"{shell}/sets") == ["1000"]
    assert done.printed(f"{shell}/gets") == ["3", "2000"]
    assert done.printed(f"{shell}/in tmp") == ["/tmp", "no input"]
    assert done.printed(f"{shell}/only an entrypoint") == ["entry"]
    assert done.printed(f"{shell}/behind it") == ["0"]
    assert {name: status for name, status in done.statuses.items() if name.startswith(f"{shell}/")} == {
        f"{shell}/{name}": "failure" if code else "success" for name, code in _codes(done, shell).items()
    }


def _codes(done: Finished, stage: str) -> dict[str, int | None]:
    return {step["name"]: step["exit_code"] for step in done.stages[stage]["steps"]}


def test_a_step_that_waits_costs_no_more_than_an_idle_shell_and_a_pull_waits_for_its_turn(place: Place) -> None:
    fetched = f"127.0.0.1:1/{OWN}"
    write(
        place,
        idle=[step("first", *HOLD), step("next", "echo went on")],
        pull=[step("first", *HOLD), step("next", "echo never", image=fetched, pull="on_start")],
    )
    with images({fetched: f"FROM {BUSYBOX}\n"}):
        running = place.start("exec", "--output", "json")
        with gates_of(begun(place)) as gates, idle_shell(gates.api) as shell:
            waiting = gates.stands("idle", "next")
            gates.stands("pull", "first")
            assert gates.made("pull", "next") == ""
            gates.go("pull", "first")
            reference, cost = gates.cost(shell, 0.0), gates.cost(waiting, 3.0)
            gates.go("idle", "first")
        done = running.finish()
    say(f"a step that waits: {cost}; an idle sh: {reference}")

    assert cost.private < min(PRIVATE, 2 * reference.private)
    assert cost.ticks <= 1
    assert done.code == ExitCode.INFRASTRUCTURE
    assert done.statuses == {
        **dict.fromkeys(("idle/first", "idle/next", "pull/first"), "success"),
        "pull/next": "error",
    }
    assert "127.0.0.1:1" in done.steps["pull/next"]["reason"]


def test_the_last_lines_of_a_step_come_before_its_end_and_the_next_step_and_what_they_announce_is_masked(
    place: Place, mode: Mode
) -> None:
    pairs, lines = range(4), 20_000
    write(
        place,
        stage=[
            made
            for n in pairs
            for made in (
                # What has no end of a line is only complete when the stream has ended.
                step(f"loud {n}", f"yes line | head -n {lines}; printf end >&2; printf ::add-mask::hushed-{n}-word"),
                step(f"next {n}", f"echo hushed-{n}-word"),
            )
        ],
    )

    done = place.start("exec").finish()

    assert (done.code, made_ready(place)) == (ExitCode.SUCCESS, mode.ahead), done.err
    assert "hushed" not in done.out
    told = [line.partition(" in ")[0] for line in done.out.splitlines() if line.startswith("stage/")]
    for n in pairs:
        loud, following = told.index(f"stage/loud {n}: success"), told.index(f"stage/next {n}: success")
        assert told[:loud].count(f"stage/loud {n} | line") == lines
        assert told[:loud].count(f"stage/loud {n} | end") == 1
        assert not any(line.startswith(f"stage/next {n}") for line in told[:loud])
        assert any(line.startswith(f"stage/next {n} | ***") for line in told[loud:following])
