"""The images that the project builds: what is in them, and when they are built."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scripts import ROOT, SCRIPTS

BUILD_IMAGES = SCRIPTS / "build-images"
REFERENCES = ("busybox:local", "debian:local", "runner-sandbox:1")
SANDBOX_TOOLS = "sh cat tar find stat xargs cp rm chown chmod mkfifo sleep sort head wc"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=110, check=False
    )


def output_of(*command: str | Path) -> str:
    done = run(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_image(reference: str, *command: str) -> str:
    return output_of("docker", "run", "--rm", "--read-only", "--network", "none", reference, *command)


def image_id(reference: str) -> str:
    return output_of("docker", "image", "inspect", "--format", "{{.Id}}", reference).strip()


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    output_of(BUILD_IMAGES)


@pytest.mark.alone
def test_images_that_are_there_are_found_in_half_a_second_and_stay() -> None:
    before = [image_id(reference) for reference in REFERENCES]
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        assert output_of(BUILD_IMAGES) == ""
        seconds.append(time.monotonic() - started)

    assert min(seconds) < 0.5
    assert [image_id(reference) for reference in REFERENCES] == before


@pytest.mark.parametrize("reference", REFERENCES)
def test_an_image_has_one_label_the_hash_of_its_content(reference: str) -> None:
    labels = json.loads(output_of("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", reference))

    assert list(labels) == ["io.runner.content"]
    assert len(labels["io.runner.content"]) == 16


def test_the_sandbox_has_the_tools_that_runner_uses_and_is_root() -> None:
    found = in_image("runner-sandbox:1", "sh", "-c", f"for tool in {SANDBOX_TOOLS}; do command -v $tool; done; id -u")

    assert found.split() == [*SANDBOX_TOOLS.split(), "0"]


def test_busybox_is_static_and_stands_alone() -> None:
    files = in_image("busybox:local", "find", "/", "-xdev", "-type", "f", "-size", "+0").split()

    assert [name for name in files if not name.startswith(("/etc/", "/dev/"))] == ["/bin/busybox"]
    assert in_image("busybox:local", "/usr/bin/env", "sh", "-c", "echo works") == "works\n"


def test_debian_has_bash_and_git_and_nothing_to_read() -> None:
    assert in_image("debian:local", "bash", "-c", "git --version").startswith("git version 2.")
    assert in_image("debian:local", "find", "/usr/share/doc", "/usr/share/man", "-type", "f") == ""
    size = int(output_of("docker", "image", "inspect", "--format", "{{.Size}}", "debian:local"))
    assert size < 200_000_000


@pytest.fixture
def prefix() -> Iterator[str]:
    """A prefix of references, whose images are removed at the end."""
    prefix = f"test-{uuid.uuid4().hex[:8]}/"
    yield prefix
    made = output_of(
        "docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={prefix}*"
    )
    for reference in made.split():
        output_of("docker", "image", "rm", "--force", reference)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what builds images, with the archives that are already made."""
    for folder in ("scripts", "images", "build/images"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=_large)
    return tmp_path


def _large(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if Path(folder, name).stat().st_size > 10_000_000}


def test_an_image_is_built_anew_when_its_content_changes(checkout: Path, prefix: str) -> None:
    def build() -> str:
        done = run(checkout / "scripts" / "build-images", "sandbox", RUNNER_IMAGE_PREFIX=prefix)
        assert done.returncode == 0, done.stderr
        return image_id(f"{prefix}runner-sandbox:1")

    first = build()
    assert build() == first
    with (checkout / "images" / "sandbox" / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("ENV CHANGED=yes\n")

    assert build() != first
    assert run("docker", "image", "inspect", first).returncode != 0, "what was replaced is gone"
    environment = output_of("docker", "image", "inspect", "--format", "{{.Config.Env}}", f"{prefix}runner-sandbox:1")
    assert "CHANGED=yes" in environment
    assert run("docker", "image", "inspect", f"{prefix}runner-base:sandbox").returncode != 0, (
        "the base has no name left"
    )


def test_a_build_that_fails_leaves_no_base_behind(checkout: Path, prefix: str) -> None:
    (checkout / "images" / "busybox" / "Dockerfile").write_text("ARG BASE=x\nFROM ${BASE}\nRUN no-such-command\n")

    done = run(checkout / "scripts" / "build-images", "busybox", RUNNER_IMAGE_PREFIX=prefix)

    assert done.returncode != 0
    assert "no-such-command" in done.stderr
    assert run("docker", "image", "inspect", f"{prefix}runner-base:busybox").returncode != 0


@pytest.mark.parametrize(
    ("name", "base"), [("busybox", REFERENCES[0]), ("sandbox", REFERENCES[0]), ("debian", REFERENCES[1])]
)
def test_a_dockerfile_builds_from_any_base_that_is_given(name: str, base: str, prefix: str) -> None:
    output_of("docker", "build", "--build-arg", f"BASE={base}", "--tag", f"{prefix}{name}", ROOT / "images" / name)

    assert output_of("docker", "run", "--rm", "--network", "none", f"{prefix}{name}", "sh", "-c", "echo ok") == "ok\n"


def test_a_base_that_cannot_be_made_leaves_no_image_and_says_why(checkout: Path, prefix: str) -> None:
    (checkout / "images" / "busybox" / "rootfs").write_text("#!/bin/sh\necho no such package >&2\nexit 7\n")

    done = run(checkout / "scripts" / "build-images", "busybox", RUNNER_IMAGE_PREFIX=prefix)

    assert done.returncode != 0
    assert "no such package" in done.stderr
    assert run("docker", "image", "inspect", f"{prefix}busybox:local").returncode != 0


@pytest.mark.parametrize("arguments", [["alpine"], ["--from", "nowhere"], ["--from"]])
def test_wrong_usage_is_refused(arguments: list[str]) -> None:
    done = run(BUILD_IMAGES, *arguments)

    assert done.returncode == 2
    assert "usage: scripts/build-images" in done.stderr
