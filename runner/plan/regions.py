"""Forks and joins as they are written: which stages stand between them, and what is wrong with them."""

import graphlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from runner.errors import Finding, Place
from runner.plan.graph import Named, Suggest
from runner.records import record

_DEEPEST: Final = 16  # forks within each other
_MOST_SHOWN: Final = 16  # names of a circle, or of joins


@record
class Member:
    """A stage as it was written, ``needs`` with names that are known or not.

    ``joins`` says that it is a join, by the name of its fork where files name it.
    """

    name: str
    place: Place
    needs: tuple[Named, ...] = ()
    forks: bool = False
    joins: bool | Named = False


@record
class Regions:
    """What stands between forks and joins, as far as nothing is wrong with it.

    ``inside`` are, for each fork, the stages that are repeated with it, in the order of the file; ``joined`` is, for
    each join, its fork.
    """

    inside: Mapping[str, tuple[str, ...]]
    joined: Mapping[str, str]
    findings: tuple[Finding, ...]


def regions(members: Sequence[Member], *, matrix: bool, suggest: Suggest = lambda *_: None) -> Regions:
    """Return what stands in which fork, and all that is wrong with it.

    A stage stands in the fork that what it needs stands in, behind a fork in that one, behind a join outside of what it
    joins. With ``matrix`` a join names its fork, and a fork that nothing joins is repeated alone (the native words);
    without, each fork has one join (Metalus' executions).

    Unknown needs and circles of needs are for ``graph.check`` to tell: what hangs on them is passed over.
    """
    return _Reading(members, suggest, matrix=matrix).regions()


class _Reading:
    """A file, stage by stage: each after all that it needs."""

    def __init__(self, members: Sequence[Member], suggest: Suggest, *, matrix: bool) -> None:
        self._members: dict[str, Member] = {}
        for member in members:  # of two with one name the first counts
            self._members.setdefault(member.name, member)
        self._rank = {name: at for at, name in enumerate(self._members)}
        self._suggest = suggest
        self._matrix = matrix
        self._word = "stage" if matrix else "execution"
        self._findings: list[Finding] = []
        self._named = dict(self._forks_named())
        self._repeated = frozenset(self._named.values())
        self._needs = {name: self._needed(member) for name, member in self._members.items()}
        self._within: dict[str, tuple[str, ...]] = {}  # the forks around a stage, outer ones first
        self._open: dict[str, tuple[str, ...]] = {}  # those around what needs it and is no join
        self._joins: dict[str, list[str]] = {}

    def regions(self) -> Regions:
        """Return what was found."""
        for name in self._ordered():
            self._place(self._members[name])
        self._check_forks()
        inside: dict[str, list[str]] = {name: [] for name, member in self._members.items() if member.forks}
        for name in self._members:
            for fork in self._within.get(name, ()):
                inside[fork].append(name)
        return Regions(
            inside={fork: tuple(names) for fork, names in inside.items()},
            joined={join: fork for fork, joins in self._joins.items() for join in joins},
            findings=tuple(self._findings),
        )

    def _forks_named(self) -> Iterator[tuple[str, str]]:
        """Yield each join that names its fork, with that fork."""
        for name, member in self._members.items():
            if not isinstance(member.joins, Named):
                continue
            fork = self._members.get(member.joins.name)
            if fork is not None and fork.forks and fork is not member:
                yield name, fork.name
            else:
                self._refuse(member.joins, *self._why_no_fork(member, member.joins, fork))

    def _why_no_fork(self, member: Member, joins: Named, fork: Member | None) -> tuple[str, str]:
        if fork is member:
            return f"the stage {member.name!r} joins itself", "let another stage join it"
        near = self._suggest(joins.name, {name for name, each in self._members.items() if each.forks})
        hint = f"did you mean {near!r}?" if near else "'join' names a stage that has 'fork'"
        lack = "there is no such stage" if fork is None else "that is no fork"
        return f"the stage {member.name!r} joins {joins.name!r}, and {lack}", hint

    def _needed(self, member: Member) -> tuple[str, ...]:
        """Return the known needs of a stage; a join that names its fork needs at least that."""
        written = [need.name for need in member.needs if need.name in self._members and need.name != member.name]
        fork = self._named.get(member.name)
        return tuple(dict.fromkeys(written if fork is None else [*written, fork]))

    def _ordered(self) -> Iterator[str]:
        """Yield the stages, each behind those that it needs, without those in circles and what needs them."""
        sorter = graphlib.TopologicalSorter(self._needs)
        try:
            sorter.prepare()
        except graphlib.CycleError as error:
            self._check_circle(error.args[1])
        while ready := sorter.get_ready():
            yield from ready
            sorter.done(*ready)

    def _check_circle(self, circle: Sequence[str]) -> None:
        """Refuse a circle that is only there because a join waits for its fork; of others the graph tells."""
        for need, name in pairwise(circle):
            member = self._members[name]
            if isinstance(member.joins, Named) and need not in (written.name for written in member.needs):
                self._refuse(
                    member.joins,
                    f"the stage {name!r} joins {need!r}, which waits for it: {_shown(circle[::-1])}",
                    "a join comes after its fork and all that is repeated with it",
                )
                return

    def _place(self, member: Member) -> None:
        unknown = any(need.name not in self._members for need in member.needs)
        needs = self._needs[member.name]
        if (unknown and not self._matrix) or any(need not in self._open for need in needs):
            return
        around: dict[tuple[str, ...], str] = {}
        for need in needs:
            around.setdefault(self._open[need], need)
        if len(around) > 1:
            self._refuse_needs(member, [around[forks] for forks in sorted(around, key=len)])
            return
        (forks,) = around or ((),)
        if self._is_join(member):
            if forks:
                self._joins.setdefault(forks[-1], []).append(member.name)
                forks = forks[:-1]
            else:
                self._refuse_join(member)
        self._within[member.name] = forks
        self._open[member.name] = (*forks, member.name) if self._opens(member) else forks
        if len(forks) == _DEEPEST and self._opens(member):
            message = f"the {self._word} {member.name!r} is a fork within {_DEEPEST} others"
            self._refuse(member, message, "fork over a list of all combinations")
            del self._open[member.name]

    def _opens(self, member: Member) -> bool:
        return member.forks and (not self._matrix or member.name in self._repeated)

    def _is_join(self, member: Member) -> bool:
        return member.name in self._named if self._matrix else bool(member.joins)

    def _refuse_needs(self, member: Member, needs: Sequence[str]) -> None:
        """Refuse a stage that stands in two places; ``needs`` are one in each of these, the outer ones first."""
        inner = self._open[needs[-1]]
        where = [
            f"{need!r} ({f'in the fork {self._open[need][-1]!r}' if self._open[need] else 'in none'})" for need in needs
        ]
        self._refuse(
            member,
            f"the {self._word} {member.name!r} needs {' and '.join(where)}: needs that reach into or out of a fork",
            f"let all that it needs stand in one fork, or join {inner[-1]!r} first",
        )

    def _refuse_join(self, member: Member) -> None:
        self._refuse(
            member,
            f"the join {member.name!r} has no fork that leads to it",
            "let it need what stands in a fork, or make it no join",
        )

    def _check_forks(self) -> None:
        unsure = any(self._is_join(member) and name not in self._within for name, member in self._members.items())
        for name, member in self._members.items():
            joins = self._joins.get(name, [])
            if len(joins) > 1:
                shown = " and ".join(map(repr, sorted(joins, key=self._rank.__getitem__)[:_MOST_SHOWN]))
                self._refuse(
                    member, f"the fork {name!r} has more than one join: {shown}", "let one of them be the join"
                )
            elif member.forks and name in self._open and not (joins or self._matrix or unsure):
                message = f"the fork {name!r} has no join"
                self._refuse(member, message, "let an execution of the type join need what stands in it")

    def _refuse(self, at: Member | Named, message: str, hint: str) -> None:
        self._findings.append(Finding(place=at.place, message=message, hint=hint))


def _shown(circle: Sequence[str]) -> str:
    most = circle if len(circle) <= _MOST_SHOWN else (*circle[: _MOST_SHOWN - 2], "...", circle[-1])
    return " -> ".join(most)
