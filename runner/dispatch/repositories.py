"""What is wanted of a repository elsewhere, and which of its files is the pipeline."""

from pathlib import Path
from typing import Final

from runner.dispatch.subject import default_file
from runner.errors import UsageError
from runner.workspace.git.spec import SourceSpec

_TAGS: Final = "refs/tags/"


def spec_of(url: str, *, commit: str, tag: str, branch: str, submodules: bool) -> SourceSpec:
    """Return what is wanted: a commit, else the tag or the branch that the facts name, else the repository's own.

    Raises:
        UsageError: commit, tag or branch are none.
    """
    ref = (tag if tag.startswith("refs/") else f"{_TAGS}{tag}") if tag else branch
    return SourceSpec(url=url, commit=commit, ref=ref, submodules=submodules)


def pipeline_in(clone: Path, file: Path | None) -> Path:
    """Return the pipeline of a repository: what is named, by its path in there, or that which has a usual name.

    Raises:
        UsageError: there is none, or it is a link that leads out of the repository.
    """
    path = clone / file if file else default_file(clone, "the repository")
    if not path.resolve().is_relative_to(clone.resolve()):
        raise UsageError(f"{file or path.name}: is not in the repository", hint="name one of its files")
    if not path.is_file():
        raise UsageError(f"{file}: the repository has no such file", hint="name one of its files")
    return path
