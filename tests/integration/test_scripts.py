"""Scripts as files behind the gate, a stage's own configuration, and requests, with real images and users."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from docker import APIClient

from runner.engine.specs import Release, StepSpec
from runner.errors import InfrastructureError
from runner.naming import Address, of_attempt
from runner.pipelinectl.layout import Kind, file_name
from tests.support.attempts import BUSYBOX, DEBIAN, wait_for
from tests.support.pipelinectl_stand import USER, Ended, Stand, Step, stand_with

MIB = 1 << 20
CONFIG = {PurePosixPath("mode"): b"of the run", PurePosixPath("secure-properties/key"): b"k"}
OWN = {PurePosixPath("mode"): b"fast\n", PurePosixPath("a/b"): b"deep\n"}


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with stand_with(config=CONFIG) as found:
        found.backend.put_values(found.run.id, {file_name(Kind.ASYNC, "check"): b""})
        yield found


def scripted(
    stand: Stand,
    script: str,
    *,
    config: Mapping[PurePosixPath, bytes] | None = None,
    **fields: Any,  # noqa: ANN401 - those of `StepSpec`
) -> Ended:
    """Run a script to its end as it is, with a ``config`` of its own if one is given."""
    usual: dict[str, Any] = {"image": BUSYBOX, "address": address_of(stand, script), "own_config": config is not None}
    step = Step(stand, StepSpec(script=script, **(usual | fields)))
    stand.backend.prepare(step.spec)
    stand.backend.follow(step.spec.address, step.recorder, step.recorder.wake)
    stand.backend.release(step.spec.address, Release(environment=step.spec.environment, config=config or {}))
    return step.end()


def address_of(stand: Stand, script: str) -> Address:
    """Return where a script runs that no other test has."""
    return replace(stand.stage, step=script[:40])


@pytest.mark.parametrize("user", ["", USER])
def test_a_script_has_the_interpreter_of_its_first_line_the_environment_and_our_commands(
    stand: Stand, user: str
) -> None:
    script = f"""#!/usr/bin/env bash
        : {user}
        set -o pipefail
        [[ -n $BASH_VERSION ]] && echo "$0 $WORD"
        false
        set_env said "$WORD"; get_env said; cat; pwd
        exit 9
    """
    done = scripted(stand, script, image=DEBIAN, user=user, environment={"WORD": "it's"})

    [name, *rest] = done.out.decode().splitlines()
    assert name.startswith("/run/runner/scripts/runner-")
    assert name.endswith(" it's")
    assert (done.code, rest, done.err) == (9, ["it's", "/workspace"], b"")


def test_a_script_without_a_first_line_is_for_the_shell_of_the_image_and_is_not_traced(stand: Stand) -> None:
    done = scripted(stand, "false\nnope() { return 3; }\nnope || echo $?\n", user=USER)

    assert (done.code, done.out, done.err) == (0, b"3\n", b"")


@pytest.mark.parametrize("image", [BUSYBOX, DEBIAN])
def test_a_script_of_a_mebibyte_runs_whole(stand: Stand, image: str) -> None:
    lines = "".join(f": {'x' * 1000}\n" for _ in range(MIB // 1003))
    address = replace(stand.stage, step=f"whole in {image}")

    assert scripted(stand, f"#!/bin/sh\n{lines}echo whole", image=image, address=address).out == b"whole\n"


def test_an_interpreter_that_the_image_lacks_is_named(stand: Stand) -> None:
    done = scripted(stand, "#!/usr/bin/python3\nprint('never')\n")

    assert (done.code, done.out) == (127, b"")
    assert done.err == b"script: this image has no /usr/bin/python3, which its first line asks for\n"


def test_nobody_but_root_can_change_the_scripts_of_others(stand: Stand) -> None:
    done = scripted(stand, 'echo x >"$0" || rm "$0" || mv "$0" /tmp || echo kept', user=USER)

    assert done.out == b"kept\n"


@pytest.mark.parametrize("user", ["", USER])
def test_a_configuration_of_its_own_is_seen_by_every_user_and_in_no_other_step(stand: Stand, user: str) -> None:
    script = f": '{user}'; cat /config/mode; ls -A /config; cat /config/a/b; get_env mode"

    done = scripted(stand, script, config=OWN, user=user)

    assert (done.code, done.out, done.err) == (0, b"fast\na\nmode\ndeep\nfast\n", b"")
    assert scripted(stand, f"cat /config/mode # {user}").out == b"of the run"


def test_a_configuration_of_its_own_lies_on_no_disk_and_its_user_cannot_change_it(stand: Stand) -> None:
    script = "stat -f -c %T /config; echo x >/config/mode || cat /config/mode"

    done = scripted(stand, script, config=OWN, user=USER)

    assert done.out == b"tmpfs\nfast\n"
    with closing(APIClient()) as api:
        assert api.inspect_volume(of_attempt(address_of(stand, script), "p"))["Options"]["type"] == "tmpfs"


def test_a_step_that_only_runs_its_image_has_no_configuration_of_its_own(stand: Stand) -> None:
    spec = StepSpec(address=Address(stand.run.id, stand.stage.stage, "image"), image=BUSYBOX, own_config=True)

    with pytest.raises(InfrastructureError, match="would start before its configuration"):
        stand.backend.prepare(spec)


def test_a_request_is_heard_of_while_its_step_runs(stand: Stand) -> None:
    stand.backend.requests(stand.run.id)
    step = stand.begin("trigger-task check; sleep 60", user=USER)
    wait_for(lambda: stand.backend.requests(stand.run.id))
    assert stand.backend.conclude(step.spec.address) is None
    stand.backend.discard(step.spec.address)
