"""What is chosen of a pipeline runs, and what steps may do on the host is what is granted."""

from pathlib import Path

from runner.errors import ExitCode
from tests.support.cli import Place

MODULES = """\
version: "1"
stages:
  build:
    steps:
      - {name: make, image: "127.0.0.1:1/none:1", commands: [echo made > made]}
      - {name: check, image: "127.0.0.1:1/none:2", commands: [test -f made]}
  test:
    needs: [build]
    steps:
      - {name: unit, image: "busybox:local", commands: [ls]}
      - {name: slow, image: "busybox:local", commands: [exit 9]}
  lint:
    steps:
      - {name: ruff, image: "busybox:local", commands: [exit 9]}
"""

MOUNTS = """\
version: "1"
steps:
  - name: mounts
    image: busybox:local
    volumes: ["{data}/below:/below"]
    commands:
      - cat /below/file; echo new > /data/written
      - echo no > /below/file || echo refused
"""


def test_a_step_runs_with_what_it_needs_on_other_images_and_nothing_else_does(place: Place) -> None:
    place.write(MODULES)
    arguments = ("--step", "test/unit", "--needs", "--image", "127.0.0.1:1/none=busybox:local", "--pull", "never")
    finished = place.exec(*arguments, "--output", "json")

    assert finished.code == ExitCode.SUCCESS, finished.err
    assert finished.statuses == {"build/make": "success", "build/check": "success", "test/unit": "success"}
    assert "made" in finished.printed("test/unit")


def test_a_step_mounts_what_is_granted_and_nothing_starts_before(place: Place, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "below").mkdir(parents=True)
    (data / "below" / "file").write_text("of the host\n")
    (data / "writable").mkdir()
    place.write(MOUNTS.format(data=data))
    refused = place.exec()
    allowed = place.exec("--volume", str(data), "--volume", f"{data}/writable:/data:rw")

    assert refused.code == ExitCode.INVALID
    assert f"--volume {data}/below:/below" in refused.err
    assert allowed.code == ExitCode.SUCCESS, allowed.out
    assert {"of the host", "refused"} <= set(allowed.printed("steps/mounts"))
    assert (data / "writable" / "written").read_text() == "new\n"
    assert (data / "below" / "file").read_text() == "of the host\n"
