"""The graph of a plan as a text: a drawing for the terminal, or what Graphviz and Mermaid make one of."""

import json
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum

from runner.naming import ORIGINS, SERVICES
from runner.plan import graph
from runner.plan.model import Fork, Plan, Service, Stage, Step
from runner.records import record

_LEFT_OUT = "left out"
_SERVICE = "service"
_LONGEST = 80
# Mermaid takes a label for Markdown and HTML: what means something there, or to Mermaid itself, is written as #code;.
_MERMAID_MARKS = re.compile(r"[^\w ./:@,='()+-]|^[+-]|(?<=\d)[.)](?=\s)|(?<![^\W_])_|_(?![^\W_])")


class GraphFormat(StrEnum):
    """How a graph is written."""

    TEXT = "text"
    DOT = "dot"
    MERMAID = "mermaid"


@record
class _Item:
    """A part of a plan in words; ``inside`` are the steps of a stage."""

    text: str
    needs: tuple[str, ...] = ()
    inside: "tuple[_Item, ...]" = ()
    left_out: bool = False


@record
class _Group:
    """What is drawn together, under one title in a terminal; elsewhere items are called ``kind`` and a number."""

    title: str
    kind: str
    items: tuple[_Item, ...]


@record
class _Lines:
    """The lines of a drawing, each two cells wide."""

    more: str = "├─"
    last: str = "└─"
    down: str = "│ "
    left_out: str = "┄"
    needs: str = "←"

    @classmethod
    def of(cls, encoding: str) -> "_Lines":
        """Return the lines that an encoding can show: these, or those of ASCII."""
        try:
            "".join(vars(cls()).values()).encode(encoding)
        except UnicodeEncodeError:
            return cls(more="|-", last="`-", down="| ", left_out=".", needs="<-")
        return cls()


def draw(plan: Plan, form: GraphFormat, *, encoding: str = "utf-8") -> str:
    """Return the graph of a plan: its stages with their steps and needs, its services, and what is left out, and why.

    ``encoding`` is that of the terminal.
    """
    if form is GraphFormat.DOT:
        return "\n".join(_dot(plan))
    if form is GraphFormat.MERMAID:
        return "\n".join(_mermaid(plan))
    return "\n".join(_text(plan, _Lines.of(encoding)))


def _text(plan: Plan, lines: _Lines) -> Iterator[str]:
    """Stages stand in levels: those of one level wait for nothing but levels above."""
    if not plan.stages:
        yield "nothing to run"
    for group in (*_beside(plan), *_levels(plan), _left_out(plan)):
        if group.items:
            yield group.title
            yield from _tree(group.items, "", lines)


def _tree(items: Sequence[_Item], before: str, lines: _Lines) -> Iterator[str]:
    for number, item in enumerate(items, 1):
        last = number == len(items)
        branch = lines.last if last else lines.more
        if item.left_out:
            branch = branch[0] + lines.left_out
        needs = f" {lines.needs} {_printable(', '.join(item.needs))}" if item.needs else ""
        yield f"{before}{branch} {item.text}{needs}"
        yield from _tree(item.inside, before + ("   " if last else f"{lines.down} "), lines)


def _dot(plan: Plan) -> Iterator[str]:
    yield "digraph pipeline {"
    yield "  rankdir=LR"
    yield "  node [shape=box]"
    for kind, key, item in _nodes(plan):
        shape = ", shape=cylinder" if kind == _SERVICE else ""
        style = ", style=dashed" if item.left_out else ""
        label = "".join(f"{_dot_escaped(line)}\\l" for line in _label(item))
        yield f'  {key} [label="{label}"{shape}{style}]'
    for source, target in _edges(plan):
        yield f"  {source} -> {target}"
    yield "}"


def _mermaid(plan: Plan) -> Iterator[str]:
    yield "flowchart LR"
    left_out = []
    for kind, key, item in _nodes(plan):
        opening, closing = ("[(", ")]") if kind == _SERVICE else ("[", "]")
        label = "<br/>".join(map(_mermaid_escaped, _label(item)))
        yield f'  {key}{opening}"{label}"{closing}'
        left_out += [key] if item.left_out else []
    for source, target in _edges(plan):
        yield f"  {source} --> {target}"
    if left_out:
        yield "  classDef dashed stroke-dasharray: 5 5"
        yield f"  class {','.join(left_out)} dashed"


def _label(item: _Item) -> Iterator[str]:
    yield item.text
    yield from (inner.text for inner in item.inside)


def _dot_escaped(text: str) -> str:
    """Graphviz reads backslashes, and the entities of HTML."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def _mermaid_escaped(text: str) -> str:
    return _MERMAID_MARKS.sub(lambda found: f"#{ord(found.group())};", text)


def _nodes(plan: Plan) -> Iterator[tuple[str, str, _Item]]:
    """Yield all that is drawn: its kind, a name that no format stumbles over, and itself."""
    stages = _Group(title="stages", kind="stage", items=tuple(_stage(plan, stage) for stage in plan.stages))
    for group in (*_beside(plan), stages, _left_out(plan)):
        for number, item in enumerate(group.items, 1):
            yield group.kind, f"{group.kind}{number}", item


def _edges(plan: Plan) -> Iterator[tuple[str, str]]:
    keys = {stage.name: f"stage{number}" for number, stage in enumerate(plan.stages, 1)}
    for stage in plan.stages:
        yield from ((keys[need], keys[stage.name]) for need in stage.needs)


def _levels(plan: Plan) -> Iterator[_Group]:
    needs = {stage.name: stage.needs for stage in plan.stages}
    level: dict[str, int] = {}
    for name in graph.order(needs):
        level[name] = 1 + max((level[need] for need in needs[name]), default=0)
    for number in range(1, max(level.values(), default=0) + 1):
        items = tuple(_stage(plan, stage) for stage in plan.stages if level[stage.name] == number)
        yield _Group(title=f"level {number}", kind="stage", items=items)


def _beside(plan: Plan) -> tuple[_Group, ...]:
    """What is there before the stages are."""
    services = (*(_Item(text=_service(each)) for each in plan.services), *_gone(plan, SERVICES))
    origins = (*(_Item(text=_step(each)) for each in plan.origins), *_gone(plan, ORIGINS))
    return (
        _Group(title="services", kind=_SERVICE, items=services),
        _Group(title="plugins that fetch secrets", kind="plugin", items=origins),
    )


def _left_out(plan: Plan) -> _Group:
    items = (
        _Item(text=_without(gone.stage, gone.why), inside=_gone(plan, gone.stage), left_out=True)
        for gone in plan.pruned
        if not gone.step
    )
    return _Group(title=_LEFT_OUT, kind="left", items=tuple(items))


def _gone(plan: Plan, stage: str) -> tuple[_Item, ...]:
    """Return the steps of a stage that are left out."""
    gone = (each for each in plan.pruned if each.stage == stage and each.step)
    return tuple(_Item(text=_without(each.step, each.why), left_out=True) for each in gone)


def _stage(plan: Plan, stage: Stage) -> _Item:
    # Two stages can have one name if the rules leave out one of them.
    twin = any(gone.stage == stage.name and not gone.step for gone in plan.pruned)
    steps = (*(_Item(text=_step(step)) for step in stage.steps), *(() if twin else _gone(plan, stage.name)))
    notes = "; ".join((*(["independent"] if stage.independent else []), *branches(plan, stage)))
    return _Item(text=_printable(f"{stage.name} ({notes})" if notes else stage.name), needs=stage.needs, inside=steps)


def branches(plan: Plan, stage: Stage) -> tuple[str, ...]:
    """Return what forks make of a stage, in words: what it runs for, in whose branches it is, which it joins."""
    if not plan.mapped:
        return ()
    forks = {each.name: (each.name, *each.fork.stages) for each in plan.stages if each.fork}
    around = [name for name, inside in forks.items() if stage.name in inside and stage.name != name]
    joined = [name for name, inside in forks.items() if stage.name not in inside and set(inside) & set(stage.needs)]
    inner = min(around, key=lambda name: len(forks[name]), default="")
    return (
        *((_fork(stage.fork),) if stage.fork else ()),
        *((f"in each branch of {inner}",) if inner else ()),
        *((f"joins {', '.join(joined)}",) if joined else ()),
    )


def _fork(fork: Fork) -> str:
    values = fork.values if isinstance(fork.values, str) else json.dumps(fork.values, ensure_ascii=False)
    limit = f" ({fork.limit} at a time)" if fork.limit else ""
    return f"fork over {_shortened(_printable(values))}{limit}"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _step(step: Step) -> str:
    notes = "; ".join(note for note, holds in (("decides", step.evaluates), ("detached", step.detach)) if holds)
    return _printable(f"{step.name}: {step.image}" + (f" ({notes})" if notes else ""))


def _service(service: Service) -> str:
    return _printable(f"{service.name}: {service.image}")


def _without(name: str, why: str) -> str:
    return _printable(f"{name} ({_LEFT_OUT}: {why})")


def _printable(text: str) -> str:
    """Return a text on one line, without what could move a cursor."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
