"""How a file becomes a plan: what is wanted of it, whoever asks."""

from dataclasses import field, replace

from runner.dialects.findings import nearest
from runner.dispatch.subject import Subject
from runner.plan.adjust import Choice, adjust
from runner.plan.model import Plan
from runner.records import record


@record
class Wanted:
    """How a file is read, and what is wanted of its plan; ``kind`` is what scripts are told of it, or empty."""

    dialect: str = ""
    kind: str = ""
    strict: bool = False
    choice: Choice = field(default_factory=Choice)

    def plan(self, subject: Subject) -> Plan:
        """Compile a pipeline into the plan that is wanted.

        Raises:
            InvalidPipelineError: with everything that is wrong in it.
            UsageError: there is no such dialect, stage or step.
        """
        from runner.dialects.text import to_plan  # noqa: PLC0415 - --help and completion do without it

        trigger = replace(subject.trigger, kind=self.kind or subject.trigger.kind)
        plan = to_plan(subject.content, str(subject.file), trigger, dialect=self.dialect, strict=self.strict)
        return adjust(plan, self.choice, nearest)
