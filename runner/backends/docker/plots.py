"""Where the trees of a run grow: one for each place in the containers at which its stages see files."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from runner.backends.docker.sources import Base
from runner.backends.docker.trees import Plot
from runner.engine.specs import Placed, RunSpec
from runner.errors import WorkspaceError

HOME, WORKDIR = "h", "w"
_BESIDE = "x"

Plots = tuple[tuple[str, Plot], ...]
"""Plots with the paths at which steps see what grows there; that of the working directory comes last."""


def places(run: RunSpec) -> dict[str, Placed]:
    """Return the trees beside the source by where they are seen.

    Raises:
        WorkspaceError: one lies outside the home, or two lie at the same place.
    """
    found: dict[str, Placed] = {}
    taken = {run.workdir} if run.source else set()
    for placed in run.beside:
        target = PurePosixPath(placed.target)
        if ".." in target.parts or not target.is_relative_to(run.home):
            raise WorkspaceError(f"{placed.path}: cannot be seen at {placed.target}, which is not below {run.home}")
        if str(target) in taken:
            raise WorkspaceError(f"{placed.path}: cannot be seen at {target}, where another tree is")
        taken.add(str(target))
        found[str(target)] = placed
    return found


def plots_of(run: RunSpec, source: Base | None, beside: Mapping[str, Base]) -> Plots:
    """Return the plots of a run over its source and the trees beside it, by where these are seen.

    Where the source is mounted as it is, no tree grows.
    """
    work = source or beside.get(run.workdir)
    found = [
        (target, Plot(run=run.address, kind=f"{_BESIDE}{number}", base=base))
        for number, (target, base) in enumerate(beside.items())
        if target not in (run.home, run.workdir)
    ]
    if run.home != run.workdir:
        found.insert(0, (run.home, Plot(run=run.address, kind=HOME, base=beside.get(run.home))))
    if not (work and work.writable):
        found.append((run.workdir, Plot(run=run.address, kind=WORKDIR, base=work)))
    return tuple(found)
