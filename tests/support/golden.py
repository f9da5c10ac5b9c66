"""Golden cases: a folder with what a user wrote, and what must come of it.

``in.yml`` is the pipeline; ``facts.json``, where it exists, why the run happens. ``plan.json`` is the plan, or
``error.txt`` what the user is told instead.
"""

import json
from pathlib import Path
from typing import Any

from runner.dialects.detect import Dialect
from runner.dialects.source import Findings, load
from runner.dialects.vela.compiler import compile_pipeline
from runner.errors import InvalidPipelineError
from runner.plan import codec
from runner.plan.model import Facts
from tests.support.pipelines import PUSH

GOLDEN = Path(__file__).parent.parent / "golden"
OUTCOMES = ("plan.json", "error.txt")


def cases() -> tuple[Path, ...]:
    """Return the folders of all cases."""
    return tuple(sorted(path.parent for path in GOLDEN.glob(f"{Dialect.VELA}/*/in.yml")))


def outcome(case: Path) -> tuple[str, str]:
    """Return the name of the file that a case must have beside its input, and its text."""
    findings = Findings()
    try:
        root = load((case / "in.yml").read_bytes(), "in.yml", findings)
        plan = compile_pipeline(root, _facts(case), findings)
    except InvalidPipelineError as error:
        return "error.txt", f"{error}\n"
    return "plan.json", codec.dumps(plan)


def rewrite(case: Path) -> bool:
    """Write what comes of a case now, and remove what came of it before; return whether anything changed."""
    name, text = outcome(case)
    before = {other: (case / other).read_text(encoding="utf-8") for other in OUTCOMES if (case / other).exists()}
    for other in before:
        (case / other).unlink()
    (case / name).write_text(text, encoding="utf-8")
    return before != {name: text}


def _facts(case: Path) -> Facts:
    path = case / "facts.json"
    if not path.exists():
        return PUSH
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    read: dict[str, Any] = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in facts.items()}
    return Facts(**read)
