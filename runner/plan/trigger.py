"""Why a run happens: what a dialect is given beside the text of a pipeline."""

from collections.abc import Mapping
from dataclasses import field

from runner.plan.model import Facts
from runner.records import record


@record
class Commit:
    """What is built. Everything is empty where nobody knows it."""

    sha: str = ""
    parent: str = ""
    message: str = ""
    author: str = ""
    email: str = ""

    @property
    def title(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]


@record
class Repository:
    """Where the commit lives: ``name`` is ``org/name``, ``branch`` its default branch, ``clone`` what git clones."""

    name: str = ""
    branch: str = ""
    clone: str = ""
    link: str = ""


@record
class PullRequest:
    """A pull request, also one that was commented on: its branches, and whether it comes from a fork."""

    number: str = ""
    source: str = ""
    target: str = ""
    fork: bool = False


@record
class Trigger:
    """Why a run happens, and what it was given.

    ``facts`` are what rules are compared with, ``ref`` is what was pushed (``refs/heads/main``). ``parameters`` are
    those of a deployment. ``environment`` goes into every step, over what the pipeline says. ``kind`` is the kind of
    IBM's pipelines that is asked for, or empty; ``properties`` are the plain ones of the pipeline.
    """

    facts: Facts = field(default_factory=Facts)
    ref: str = ""
    commit: Commit = field(default_factory=Commit)
    repository: Repository = field(default_factory=Repository)
    pull_request: PullRequest | None = None
    deployment: str = ""  # its number
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
