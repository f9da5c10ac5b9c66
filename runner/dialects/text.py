"""From the text of a pipeline and the facts of a run to a plan: the one way, whoever asks."""

from runner.dialects.detect import detect
from runner.dialects.source import Findings, load
from runner.dialects.vela.compiler import compile_pipeline
from runner.plan.model import Facts, Plan


def to_plan(content: bytes, file: str, facts: Facts, *, dialect: str = "", strict: bool = False) -> Plan:
    """Compile a pipeline; ``file`` is its name in messages, an empty ``dialect`` is found out from the content.

    Raises:
        InvalidPipelineError: with everything that is wrong; with ``strict``, warnings too.
        UsageError: there is no such dialect.
    """
    findings = Findings()
    root = load(content, file, findings)
    detect(root, findings, dialect)
    return compile_pipeline(root, facts, findings, strict=strict)
