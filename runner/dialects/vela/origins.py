"""The plugins that fetch secrets into files before anything else runs: secrets with an ``origin``."""

from collections.abc import Mapping as Variables

from runner.dialects.source import Mapping
from runner.dialects.vela import defaults
from runner.dialects.vela.environment import Scope, readable
from runner.dialects.vela.fields import Fields, title
from runner.dialects.vela.parameters import read_parameters
from runner.dialects.vela.rulesets import WrittenRuleset, read_ruleset
from runner.dialects.vela.secrets import read_uses
from runner.dialects.vela.steps import finish_late, read_name
from runner.plan.graph import Named
from runner.plan.model import Step
from runner.records import record


@record
class WrittenOrigin:
    """A plugin as it was written; ``variables`` are those that its ruleset is judged with."""

    step: Step
    named: Named
    ruleset: WrittenRuleset
    secrets: tuple[Named, ...]
    variables: Variables[str, str]


def read_origins(pipeline: Fields, scope: Scope) -> tuple[WrittenOrigin, ...]:
    """Return the plugins in the order of the file (``compiler/types/yaml/secret.go`` of go-vela/server).

    Their variables are put in right before each starts, as Vela has it, since one may need what another has left.
    """
    found: list[WrittenOrigin] = []
    for node in pipeline.items("secrets"):
        origin = node.get("origin") if isinstance(node, Mapping) else None
        if isinstance(node, Mapping) and origin is not None:
            secret = Fields(node, "a secret", pipeline.findings, pipeline.kind_in("secrets"))
            fields = secret.inner("origin", title(origin, "plugin") if isinstance(origin, Mapping) else "a plugin")
            found += [_read_origin(fields, scope)] if fields else []
    return tuple(found)


def _read_origin(fields: Fields, scope: Scope) -> WrittenOrigin:
    own = defaults.of_step(stage="", name=fields.text("name"), image=fields.text("image"))
    environment = scope.within(fields).environment(own, read_parameters(fields))
    uses, ruleset = read_uses(fields), read_ruleset(fields)
    step = Step(
        name=fields.required("name", "each needs a name of its own"),
        image=fields.substituting(readable).required("image", "name the image of the plugin"),
        secrets=tuple(use for use, _ in uses),
        pull=fields.pull(),
        ruleset=ruleset.ruleset,
    )
    return WrittenOrigin(
        step=finish_late(step, environment.unchanged_values(fields), environment.given),
        named=read_name(fields.findings, Named(name=step.name, place=fields.place("name"))),
        ruleset=ruleset,
        secrets=tuple(source for _, source in uses),
        variables=environment.compared(fields) if ruleset.expressions else {},
    )
