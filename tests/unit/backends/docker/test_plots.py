"""Where trees grow, as data."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from runner import naming
from runner.backends.docker.plots import places, plots_of
from runner.backends.docker.sources import Base
from runner.backends.docker.trees import LAYERS
from runner.engine.specs import Placed, RunSpec, Source
from runner.errors import WorkspaceError
from runner.naming import Address

RUN = RunSpec(id="0badcafe", home="/w", workdir="/w/app")
SOURCED = replace(RUN, source=Source(path=Path("/src")))


def base(name: str, *, writable: bool = False) -> Base:
    return Base(path=f"/trees/{name}", mode=0o755, uid=0, gid=0, writable=writable)


def beside(run: RunSpec, *targets: str) -> RunSpec:
    return replace(run, beside=tuple(Placed(path=Path(f"/trees{target}"), target=target) for target in targets))


def grown(run: RunSpec, source: Base | None = None) -> list[tuple[str, str, str]]:
    """Return where each tree is seen, its kind, and what lies below it."""
    bases = {target: base(target.strip("/").replace("/", "-")) for target in places(run)}
    return [(at, plot.kind, plot.base.path if plot.base else "") for at, plot in plots_of(run, source, bases)]


def test_a_run_without_further_trees_has_one_for_its_home_and_one_for_its_working_directory() -> None:
    assert grown(SOURCED, base("src")) == [("/w", "h", ""), ("/w/app", "w", "/trees/src")]
    assert grown(RUN) == [("/w", "h", ""), ("/w/app", "w", "")]


def test_home_and_working_directory_can_be_one() -> None:
    assert grown(replace(SOURCED, workdir="/w"), base("src")) == [("/w", "w", "/trees/src")]


def test_a_tree_beside_the_source_has_a_plot_of_its_own_and_the_working_directory_comes_last() -> None:
    assert grown(beside(SOURCED, "/w/tools", "/w/app/nested"), base("src")) == [
        ("/w", "h", ""),
        ("/w/tools", "x0", "/trees/w-tools"),
        ("/w/app/nested", "x1", "/trees/w-app-nested"),
        ("/w/app", "w", "/trees/src"),
    ]


def test_a_tree_at_the_home_lies_below_the_homes() -> None:
    assert grown(beside(SOURCED, "/w", "/w/tools"), base("src")) == [
        ("/w", "h", "/trees/w"),
        ("/w/tools", "x1", "/trees/w-tools"),
        ("/w/app", "w", "/trees/src"),
    ]


def test_without_a_source_a_tree_at_the_working_directory_is_in_its_place() -> None:
    assert grown(beside(RUN, "/w/app/")) == [("/w", "h", ""), ("/w/app", "w", "/trees/w-app")]
    assert grown(beside(replace(RUN, workdir="/w"), "/w")) == [("/w", "w", "/trees/w")]


def test_where_the_source_is_mounted_as_it_is_nothing_grows() -> None:
    assert grown(beside(SOURCED, "/w/tools"), base("src", writable=True)) == [
        ("/w", "h", ""),
        ("/w/tools", "x0", "/trees/w-tools"),
    ]


@pytest.mark.parametrize("target", ["/etc", "/", "/wide", "/w/../etc", "/w/a/../../etc", "w/a", ""])
def test_a_tree_outside_the_home_is_refused(target: str) -> None:
    with pytest.raises(WorkspaceError, match="is not below /w"):
        places(beside(RUN, target))


@pytest.mark.parametrize("run", [beside(SOURCED, "/w/app"), beside(SOURCED, "/w/app/."), beside(RUN, "/w/a", "/w//a")])
def test_two_trees_at_one_place_are_refused(run: RunSpec) -> None:
    with pytest.raises(WorkspaceError, match="where another tree is"):
        places(run)


def test_no_volume_of_one_kind_has_the_name_of_another() -> None:
    stage = Address(RUN.id, "s", "t")
    kinds = ["h", "w", *(f"x{number}" for number in range(200))]
    names = [naming.layer(stage, kind + what) for kind in kinds for what in ("", "w", "r", "f", *LAYERS)]
    names += [name + "d" for name in names]
    others = [naming.of_attempt(stage, "p"), *(naming.volume(RUN.id, what) for what in ("v", "k", "p", "o", "s", "s0"))]

    assert len(set(names)) == len(names)
    assert not set(names) & set(others)
    assert all(re.fullmatch(r"r0badcafe[a-z2-7]{8}[hwx][a-z0-9]*", name) for name in names)
