import pytest

from runner.plan.images import fits, means
from runner.plan.match import BadPatternError

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("docker", "docker"),
        ("docker", "docker:dind"),
        ("docker", f"docker@{DIGEST}"),
        ("docker", f"docker:dind@{DIGEST}"),
        ("docker", "docker.io/library/docker:dind"),
        ("docker", "index.docker.io/library/docker"),
        ("docker", "library/docker"),
        ("docker:latest", "docker"),
        ("docker:dind", "docker:dind"),
        ("docker:*", "docker:dind"),
        ("docke?", "docker:dind"),
        ("target/vela-docker", "target/vela-docker:v1"),
        ("target/*", "docker.io/target/vela-docker:v1"),
        ("example.org:5000/team/*", "example.org:5000/team/app:1"),
        ("localhost/app", "localhost/app"),
        ("busybox:local", "busybox:local"),
    ],
)
def test_a_pattern_fits_the_short_name_with_and_without_its_tag(pattern: str, image: str) -> None:
    assert fits(pattern, image)


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("docker", "evil/docker"),
        ("docker", "docker.io/evil/docker"),
        ("docker", "evil.org/docker"),
        ("docker", "evil.org/library/docker"),
        ("docker", "docker-evil"),
        ("docker", "xdocker"),
        ("docker:dind", "docker"),
        ("docker:dind", "docker:24-dind"),
        ("docker:dind", f"docker:dind@{DIGEST}"),
        ("docker:24", "docker:24/evil"),
        ("*", "evil/docker"),
        ("target/*", "target/team/app"),
        ("target/*", "evil.org/target/app"),
        ("example.org/*", "example.org:5000/app"),
        ("", "docker"),
    ],
)
def test_a_pattern_does_not_fit_what_only_looks_like_it(pattern: str, image: str) -> None:
    assert not fits(pattern, image)


def test_a_pattern_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(BadPatternError):
        fits("[", "docker")


@pytest.mark.parametrize(
    ("pattern", "image"),
    [
        ("*", "a/b/c:1"),
        ("ghcr.io/*", "ghcr.io/org/sub/tool:1"),
        ("golang", "golang:1.22"),
        ("golang:1.22", "golang:1.22"),
    ],
)
def test_a_person_means_any_text_by_a_star(pattern: str, image: str) -> None:
    assert means(pattern, image)


@pytest.mark.parametrize(("pattern", "image"), [("golang:1.21", "golang:1.22"), ("go", "golang:1")])
def test_a_person_means_no_other_image(pattern: str, image: str) -> None:
    assert not means(pattern, image)
