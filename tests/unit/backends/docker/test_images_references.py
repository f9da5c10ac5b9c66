"""Names of images, as Docker reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.backends.docker.references import Reference
from runner.errors import ImageError

SHA = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("team/app", "docker.io/team/app:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/team/app:1", "docker.io/team/app:1"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("127.0.0.1:5000/app:v1", "127.0.0.1:5000/app:v1"),
        ("example.org/a/b/c_d/e__f/g--h:x.Y-z_", "example.org/a/b/c_d/e__f/g--h:x.Y-z_"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1"),
        (f"app@{SHA}", f"docker.io/library/app@{SHA}"),
        (f"example.org:443/app:1.0@{SHA}", f"example.org:443/app@{SHA}"),
        (SHA, "docker.io/library/" + SHA),
        ("a" * 64, f"docker.io/library/{'a' * 64}:latest"),
    ],
)
def test_a_name_is_made_whole_as_docker_does(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full


def test_a_reference_says_its_parts() -> None:
    reference = Reference.parse("localhost:5000/team/app:2")

    assert reference == Reference(registry="localhost:5000", repository="team/app", tag="2")
    assert (reference.name, reference.version) == ("localhost:5000/team/app", "2")


def test_a_digest_stands_for_the_tag_beside_it() -> None:
    reference = Reference.parse(f"app:1@{SHA}")

    assert (reference.tag, reference.version) == ("", SHA)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "malformed"),
        ("Busybox", "lower case"),
        ("example.org/Team/app", "lower case"),
        ("busy box", "malformed"),
        ("busybox:", "tag"),
        ("busybox:a/b", "registry"),
        ("busybox:" + "x" * 129, "tag"),
        ("busybox@sha256:12", "digest"),
        ("busybox@", "digest"),
        ("busybox:-@" + SHA, "tag"),
        ("https://example.org/app", "scheme"),
        ("../etc", "registry"),
        ("a//b", "malformed"),
        ("/app", "malformed"),
        ("app/", "malformed"),
        ("-x.org/app", "hyphen"),
        ("example.org:port/app", "registry"),
        ("${IMAGE}", "lower case"),
        ("app\n", "malformed"),
        ("app?x=1", "malformed"),
        ("é", "malformed"),
        ("a" * 256, "long"),
    ],
)
def test_a_bad_name_is_refused_with_the_reason_and_an_example(text: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        Reference.parse(text)

    assert repr(text) in caught.value.message or "***" in caught.value.message
    assert "looks like busybox" in caught.value.hint


@pytest.mark.parametrize("text", ["user:hunter2@example.org/app", "https://user:hunter2@example.org/app"])
def test_a_password_in_a_name_is_not_repeated(text: str) -> None:
    with pytest.raises(ImageError) as caught:
        Reference.parse(text)

    assert "hunter2" not in caught.value.message + caught.value.hint
    assert "example.org" in caught.value.message


@given(st.text(alphabet="aA0.:/@-_ é[]\n", max_size=20))
def test_any_text_is_a_reference_that_reads_back_the_same_or_our_error(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except ImageError:
        return

    assert Reference.parse(str(reference)) == reference
