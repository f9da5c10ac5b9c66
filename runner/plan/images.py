"""Names of images compared with patterns, each in the short form of the name, with its tag and without.

``fits`` is strict, for what may be privileged: Vela's ``reference.FamiliarMatch`` of github.com/distribution/reference.
``means`` is for those who choose images by hand.
"""

from fnmatch import fnmatchcase

from runner.plan.match import matches
from runner.plan.model import Matcher
from runner.records import record

_LATEST = "latest"
_DEFAULT_HOSTS = ("docker.io/", "index.docker.io/")
_DEFAULT_ORGANISATION = "library/"


@record
class Familiar:
    """A name as people write it, ``golang`` for ``docker.io/library/golang``; ``version`` begins with its ``:``."""

    name: str
    version: str

    @classmethod
    def of(cls, image: str) -> "Familiar":
        """Take apart what was written; without tag and digest it is ``latest``."""
        rest, at, digest = image.partition("@")
        host, slash, last = rest.rpartition("/")
        last, colon, tag = last.partition(":")
        name = host + slash + last
        for default in _DEFAULT_HOSTS:
            name = name.removeprefix(default)
        if name.count("/") == 1:
            name = name.removeprefix(_DEFAULT_ORGANISATION)
        version = colon + tag + at + digest
        return cls(name=name, version=version or f":{_LATEST}")


def means(pattern: str, image: str) -> bool:
    """Whether an image is one that a person means; ``*`` is any text, and a pattern without a tag takes any."""
    familiar = Familiar.of(image)
    return any(fnmatchcase(name, pattern) for name in (familiar.name + familiar.version, familiar.name, image))


def fits(pattern: str, image: str) -> bool:
    """Whether an image is one that a pattern means; ``*`` stops at ``/``, and a pattern without a tag takes any.

    Raises BadPatternError for a pattern that cannot be read.
    """
    familiar = Familiar.of(image)
    whole = familiar.name + familiar.version
    return any(matches(Matcher.FILEPATH, pattern, name) for name in (whole, familiar.name))
