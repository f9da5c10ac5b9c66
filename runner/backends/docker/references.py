"""Names of images: what a user writes, taken apart and made whole as Docker does."""

import re

from docker.auth import INDEX_NAME, resolve_repository_name
from docker.errors import InvalidRepository
from docker.utils import parse_repository_tag

from runner.errors import ImageError
from runner.records import record

_HINT = "an image looks like busybox, busybox:1.36, example.org:5000/team/app:tag or app@sha256:<64 hex digits>"
_MOST_CHARACTERS = 255

# The grammar of github.com/distribution/reference (regexp.go).
_REGISTRY = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_USERINFO = re.compile(r"\S*:\S*@(?!sha\d)")


@record
class Reference:
    """An image's full name. Either ``tag`` or ``digest`` is set: a digest makes the tag beside it meaningless."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The name without tag and digest, with the registry."""
        return f"{self.registry}/{self.repository}"

    @property
    def version(self) -> str:
        """The tag or the digest."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Take apart what a user wrote: ``busybox`` is ``docker.io/library/busybox:latest``.

        Raises:
            ImageError: it is no name of an image.
        """
        name, tag = parse_repository_tag(text)
        digest = None
        if "@" in text:
            digest = tag
            name, tag = parse_repository_tag(name)
        try:
            registry, repository = resolve_repository_name(name)
        except InvalidRepository as error:
            raise _refusal(text, str(error)) from error
        _check(text, _REGISTRY.fullmatch(registry), "its registry is not a host name")
        _check(text, repository == repository.lower(), "its name must be in lower case")
        _check(text, _REPOSITORY.fullmatch(repository), "its name is malformed")
        _check(text, len(f"{registry}/{repository}") <= _MOST_CHARACTERS, "its name is too long")
        _check(text, digest is None or _DIGEST.fullmatch(digest), "what follows @ is not a digest")
        _check(text, tag is None or _TAG.fullmatch(tag), "its tag is not a tag")
        if registry == INDEX_NAME and "/" not in repository:
            repository = f"library/{repository}"
        if digest is not None:
            return cls(registry=registry, repository=repository, digest=digest)
        return cls(registry=registry, repository=repository, tag=tag or "latest")


def _check(text: str, holds: object, reason: str) -> None:
    if not holds:
        raise _refusal(text, reason)


def _refusal(text: str, reason: str) -> ImageError:
    # Somebody may have put a password in front of an @: it is not repeated.
    shown = _USERINFO.sub("***@", text)
    return ImageError(f"image {shown!r} is not the name of an image: {_USERINFO.sub('***@', reason)}", hint=_HINT)
