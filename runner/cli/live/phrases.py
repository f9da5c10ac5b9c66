"""What a row says beside its sign and its time."""

from collections.abc import Iterable, Sequence

from runner.cli.live.layout import PullRow, Row, ServiceRow, StageRow, StepRow
from runner.cli.live.model import Part, StageView, familiar
from runner.cli.live.words import BAD, one_line
from runner.plan.status import Status

_GOES_WITHOUT_SAYING = (Status.SUCCESS, Status.RUNNING, Status.PENDING)


def name_of(row: Row) -> str:
    """Return what stands in the first column; that of a step begins with its indent."""
    match row:
        case PullRow((pull,)):
            return one_line(familiar(pull.image))
        case PullRow(pulls):
            return f"{len(pulls)} images"
        case StageRow(view):
            return one_line(view.part.name)
        case StepRow(part):
            return f"  {one_line(part.name)}"
        case ServiceRow((part,)):
            return f"{one_line(part.name)} (service)"
        case _:
            return ""


def of_part(part: Part) -> list[str]:
    """Return the phrases about a step or service."""
    again = [f"attempt {part.tries} of {part.most}"] * (part.tries > 1)
    return ["detached"] * part.detached + again + verdict(part)


def of_stage(view: StageView, *, opened: bool) -> list[str]:
    """Return the phrases about a stage; ``opened`` when its steps have rows of their own."""
    part = view.part
    again = [f"round {part.tries} of {part.most}"] * (part.tries > 1)
    if part.status is Status.RUNNING:
        current = [one_line(s.name) for s in view.steps if s.status is Status.RUNNING and not s.detached]
        return [*again, ended(view.steps, "steps"), *([] if opened else current)]
    if part.status is Status.PENDING:
        return again + [f"waits for {', '.join(map(one_line, view.waits))}"] * bool(view.waits)
    if part.status is Status.SUCCESS and not opened:
        return [*again, f"{len(view.steps)} step{'s' * (len(view.steps) != 1)}"]
    told = opened and any(step.status in BAD for step in view.steps)
    return again if told else again + verdict(part)


def verdict(part: Part) -> list[str]:
    """Say how a thing ended, if not well; nothing of what still goes on."""
    if part.status in _GOES_WITHOUT_SAYING:
        return []
    reason = one_line(part.reason)
    if part.status is Status.CANCELLED and reason:
        return [reason]  # it has the word, or a better one
    known = part.status is Status.FAILURE and part.exit_code is not None
    word = f"exit code {part.exit_code}" if known else part.status.replace("_", " ")
    return [f"{word}: {reason}" if reason else word]


def ended(parts: Iterable[Part], noun: str) -> str:
    """Return how many of them have ended."""
    counted: Sequence[bool] = [part.status.ended for part in parts]
    return f"{sum(counted)} of {len(counted)} {noun}"
