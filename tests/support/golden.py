"""Golden cases: a folder with what a user wrote, and what must come of it.

``in.yml`` is the pipeline; ``facts.json`` and ``trigger.json``, where they exist, why the run happens: the facts, and
all else that a trigger holds. ``plan.json`` is the plan, or ``error.txt`` what the user is told instead. The variables
that every container gets stand in the plan of one case only, which is about them. In ``broken`` a file stands beside
what ``runner validate`` says about it.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.cli.validate import check
from runner.dialects.detect import Dialect
from runner.dialects.text import to_plan
from runner.errors import InvalidPipelineError
from runner.plan import codec
from runner.plan.model import Facts, Plan
from runner.plan.trigger import Commit, PullRequest, Repository, Trigger
from tests.support.pipelines import PUSH

GOLDEN = Path(__file__).parent.parent / "golden"
OUTCOMES = ("plan.json", "error.txt")
BROKEN = GOLDEN / "broken"

_DIALECTS = tuple(Dialect)
_WITH_DEFAULTS = "default-variables"
_PARTS = {"commit": Commit, "repository": Repository, "pull_request": PullRequest}


def cases(*dialects: Dialect) -> tuple[Path, ...]:
    """Return the folders of all cases, or of those of some dialects."""
    return tuple(sorted(path.parent for name in dialects or _DIALECTS for path in GOLDEN.glob(f"{name}/*/in.yml")))


def outcome(case: Path) -> tuple[str, str]:
    """Return the name of the file that a case must have beside its input, and its text."""
    try:
        plan = to_plan((case / "in.yml").read_bytes(), "in.yml", _trigger(case), dialect=_dialect(case))
    except InvalidPipelineError as error:
        return "error.txt", f"{error}\n"
    return "plan.json", codec.dumps(plan if case.name == _WITH_DEFAULTS else _without_defaults(plan))


def _dialect(case: Path) -> str:
    """Return the dialect of a case, by the folder that it is in; one in any other folder is Vela's."""
    return case.parent.name if case.parent.name in _DIALECTS else Dialect.VELA


def rewrite(case: Path) -> bool:
    """Write what comes of a case now, and remove what came of it before; return whether anything changed."""
    name, text = outcome(case)
    before = {other: (case / other).read_text(encoding="utf-8") for other in OUTCOMES if (case / other).exists()}
    for other in before:
        (case / other).unlink()
    (case / name).write_text(text, encoding="utf-8")
    return before != {name: text}


def told() -> dict[Path, str]:
    """Return the text that must stand beside each broken pipeline."""
    return {path.with_suffix(".txt"): _told(path) for path in sorted(BROKEN.glob("*.yml"))}


def _told(path: Path) -> str:
    return "".join(f"{line}\n" for line in check(path.read_bytes(), path.name).lines)


def _without_defaults(plan: Plan) -> Plan:
    return replace(plan, environment={}, told={})


def _trigger(case: Path) -> Trigger:
    given = _json(case / "trigger.json")
    read = {name: _PARTS[name](**value) if name in _PARTS else value for name, value in given.items()}
    return Trigger(facts=_facts(case), **read)


def _facts(case: Path) -> Facts:
    facts = _json(case / "facts.json")
    read: dict[str, Any] = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in facts.items()}
    return Facts(**read) if facts else PUSH


def _json(path: Path) -> dict[str, Any]:
    """Return the object of a file, an empty one where there is no file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found
