"""However a run ends by itself: its exit code, what it says, and that nothing of it is left."""

from pathlib import Path

from runner.errors import ExitCode
from tests.support.cli import Place

ONE_STEP = """\
version: "1"
services:
  - name: idle
    image: busybox:local
    entrypoint: [sleep, "1000"]
steps:
  - name: one
    image: {image}
    {more}
"""
"""Every object that there is: a service, a sandbox, a workspace, a step."""


def step(more: str, image: str = "busybox:local") -> str:
    return ONE_STEP.format(image=image, more=more)


def test_a_run_that_succeeds_exits_with_0_and_leaves_nothing(place: Place) -> None:
    place.write(step("commands: [echo done]"))
    finished = place.exec()

    assert finished.code == ExitCode.SUCCESS
    assert finished.printed("steps/one") == ["done"]
    assert place.objects() == []


def test_a_failure_exits_with_1_and_names_step_and_code(place: Place) -> None:
    place.write(step("commands: [exit 7]"))
    finished = place.exec()

    assert finished.code == ExitCode.FAILURE
    assert "one: failure (exit code 7)" in finished.out
    assert ": failure in " in finished.out.splitlines()[-1]
    assert "step one: exit code 7" in finished.out.splitlines()[-1]
    assert place.objects() == []


def test_a_timeout_exits_with_5_and_says_how_long_was_allowed(place: Place) -> None:
    place.write(step("commands: [sleep 100]\n    timeout: 1s"))
    finished = place.exec()

    assert finished.code == ExitCode.TIMEOUT
    assert "it took longer than 1 s" in finished.out.splitlines()[-1]
    assert finished.seconds < 20
    assert place.objects() == []


def test_an_image_that_cannot_be_pulled_exits_with_3_and_names_image_and_reason(place: Place) -> None:
    place.write(step("commands: [echo never]", image="127.0.0.1:1/x:y"))
    finished = place.exec()

    assert finished.code == ExitCode.INFRASTRUCTURE
    assert "127.0.0.1:1/x:y" in finished.out
    assert "refused" in finished.out
    assert "$ echo never" not in finished.out
    assert place.objects() == []


def test_a_step_of_an_unknown_user_exits_with_3_and_names_the_user(place: Place) -> None:
    place.write(step("commands: [echo never]\n    user: nobody-there"))
    finished = place.exec()

    assert finished.code == ExitCode.INFRASTRUCTURE
    assert "nobody-there" in finished.out.splitlines()[-1]
    assert place.objects() == []


def test_a_program_that_the_image_does_not_have_is_named_and_exits_with_1(place: Place) -> None:
    place.write(step("entrypoint: [/no/such/program]"))
    finished = place.exec()

    assert finished.code == ExitCode.FAILURE
    assert "exec /no/such/program failed: No such file or directory" in finished.out
    assert "one: failure (exit code 127)" in finished.out
    assert place.objects() == []


def test_an_invalid_file_exits_with_2_names_all_that_is_wrong_and_makes_nothing(place: Place) -> None:
    place.write("""\
        version: "1"
        stages:
          one:
            needs: [two]
            steps:
              - name: a
                commands: [echo a]
              - name: b
                image: busybox:local
                pull: sometimes
                timeout: never
          two:
            needs: [one]
            steps:
              - {name: c, image: busybox:local}
        """)
    finished = place.exec()

    assert finished.code == ExitCode.INVALID
    assert finished.out == ""
    places = [line.split(": ", 1)[0] for line in finished.err.splitlines()]
    assert len(places) >= 4, finished.err
    assert all(place.startswith(".vela.yml:") and place.count(":") == 2 for place in places)
    assert place.runs == []


def test_bad_usage_exits_with_2_names_it_and_makes_nothing(place: Place) -> None:
    place.write(step("commands: [echo never]"))
    cases = {
        "nowhere.yml": ["nowhere.yml"],
        "max-parallel": ["--max-parallel", "0"],
        "--snapshot": ["--bind", "--snapshot"],
        "TOKEN": ["--secret", "TOKEN=plain"],
        "/no/such/dir": ["--source", "/no/such/dir"],
        "NONSENSE": ["--env", "NONSENSE"],
        "no-such-option": ["--no-such-option"],
    }
    for words, arguments in cases.items():
        finished = place.exec(*arguments)

        assert finished.code == ExitCode.INVALID, arguments
        assert words in finished.err
        assert "Traceback" not in finished.err
        assert "plain" not in finished.err
    assert place.runs == []


def test_without_any_file_it_says_which_names_it_looks_for(place: Place) -> None:
    finished = place.exec()

    assert finished.code == ExitCode.INVALID
    assert ".vela.yml" in finished.err


def test_without_an_engine_it_exits_with_3_and_says_so(place: Place, tmp_path: Path) -> None:
    place.write(step("commands: [echo never]"))
    finished = place.exec(env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})

    assert finished.code == ExitCode.INFRASTRUCTURE
    assert "none.sock" in finished.err + finished.out
    assert "Traceback" not in finished.err


def test_nothing_to_run_exits_with_0_and_says_why(place: Place) -> None:
    place.write("""\
        version: "1"
        stages:
          release:
            steps:
              - name: publish
                image: busybox:local
                ruleset: {event: tag}
                commands: [echo never]
        """)
    plain = place.exec()
    document = place.exec("--output", "json")

    assert plain.code == document.code == ExitCode.SUCCESS
    assert "nothing to run" in plain.out
    assert "release/publish" in plain.out
    assert "tag" in plain.out
    assert document.document["stages"] == []
    assert "nothing to run" in document.err
    assert place.runs == []
