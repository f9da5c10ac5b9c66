"""What a pipeline allows to be given to a deployment."""

import re
from collections.abc import Mapping as Values

from runner.dialects.source import Mapping, Scalar, quoted
from runner.dialects.vela.fields import Fields
from runner.plan.trigger import Trigger

_EVENT = "deployment"
_NUMBERS = ("integer", "int", "number")
_BOOLEANS = ("boolean", "bool")
_TRUTHS = frozenset(("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"))
_NUMBER = re.compile("[+-]?[0-9]{1,18}")


def check_deployment(pipeline: Fields, trigger: Trigger | None) -> None:
    """Record what a deployment was given that it may not be given, or needs (``pipeline/deployment.go``).

    For any other event, or none, only the form of the declarations is looked at. Names have no case.
    """
    fields = pipeline.inner("deployment", "the deployment")
    if fields is None:
        return
    targets, given = fields.texts("targets"), None
    if trigger is not None and trigger.facts.event.partition(":")[0] == _EVENT:
        given = {name.lower(): value for name, value in trigger.parameters.items()}
        if targets and (target := trigger.facts.target) not in targets:
            hint = f"give one of {', '.join(targets)} with --target"
            message = f"the target {quoted(target)} is not one of the deployment's"
            fields.findings.error(fields.place("targets"), message, hint)
    for name, parameter in _declared(fields).items():
        _check_parameter(parameter, name, given)


def _declared(deployment: Fields) -> dict[str, Fields]:
    """Return the parameters by their names; one that is null may be anything."""
    node, kind = deployment.mapping("parameters"), deployment.kind_in("parameters")
    found: dict[str, Fields] = {}
    for entry in node.entries if node else ():
        name, value = entry.key.text, entry.value
        if isinstance(value, Mapping):
            found[name] = deployment.beneath(value, f"the parameter {quoted(name)}", kind)
        elif not (isinstance(value, Scalar) and value.is_null):
            hint = "write its 'type', 'required' and the like under it"
            deployment.findings.error(value.place, f"the parameter {quoted(name)} is not a map", hint)
    return found


def _check_parameter(parameter: Fields, name: str, given: Values[str, str] | None) -> None:
    """Check one declaration, and unless ``given`` is None the value as well."""
    required, options, kind = parameter.flag("required"), parameter.texts("options"), parameter.text("type")
    least, most = (_number(parameter, key) for key in ("min", "max"))
    if given is None:
        return
    value = given.get(name.lower())
    if value is None and required:
        message = f"{parameter.what} is required, and was not given"
        parameter.findings.error(parameter.node.place, message, f"give it with --param {name}=VALUE")
    if not value:
        return
    wrong = ""
    if options and value not in options:
        wrong = f"it must be one of {', '.join(options)}"
    elif kind in _BOOLEANS and value not in _TRUTHS:
        wrong = "it must be true or false"
    elif kind in _NUMBERS:
        wrong = _outside(value, least, most)
    if wrong:
        parameter.findings.error(parameter.node.place, f"{parameter.what} was given {quoted(value)}", wrong)


def _outside(value: str, least: int, most: int) -> str:
    """Return why a number may not be given; Vela looks at the bounds only if there is an upper one."""
    if not _NUMBER.fullmatch(value):
        return "it must be a whole number"
    return f"it must be between {least} and {most}" if most and not least <= int(value) <= most else ""


def _number(parameter: Fields, key: str) -> int:
    value = parameter.scalar(key)
    if value is None:
        return 0
    if not _NUMBER.fullmatch(value.text):
        message = f"{key!r} of {parameter.what} is {quoted(value.text)}"
        parameter.findings.error(value.place, message, "write a whole number")
        return 0
    return int(value.text)
