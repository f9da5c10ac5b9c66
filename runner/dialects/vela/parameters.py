"""The ``parameters`` of a step, as the variables that plugins read them from.

As go-vela/server has it (``compiler/native/environment.go`` and ``api/types/string.go``): unlike all other values of a
pipeline they are typed as YAML types them, so ``1.20`` is 1.2. A list of single values is joined with commas; any
other list, and every map, is JSON. Where Vela puts the text of an internal error into the variable, that is an error
of the file here.
"""

import math
from typing import Final

from runner.dialects.data import texts_of
from runner.dialects.source import Entry, Findings, Mapping, Node, Scalar, Sequence, quoted
from runner.dialects.vela import gotext
from runner.dialects.vela.environment import check_name
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.references import is_reference
from runner.dialects.vela.typed import typed

_KEY: Final = "parameters"


def read_parameters(fields: Fields, *, mapped: bool = False) -> dict[str, str]:
    """Return ``PARAMETER_<NAME>`` for each parameter that is not null, in the order of the file.

    Names are upper-cased and nothing else: ``dry-run`` is ``PARAMETER_DRY-RUN``. Of two that become the same variable
    the later counts, with a warning. In a file that is ``mapped`` a parameter may be a reference; one within a list or
    a map is an error, since it becomes a part of a text.
    """
    node = fields.mapping(_KEY)
    variables: dict[str, str] = {}
    for entry in node.entries if node else ():
        key, where = entry.key, f"in the parameters of {fields.what}"
        check_name("" if key.is_null else key.text, key.place, where, fields.findings)
        if isinstance(entry.value, Scalar) and entry.value.is_null:
            continue
        name = f"PARAMETER_{key.text.upper()}"
        if name in variables:
            message = f"{quoted(key.text)} {where} is the same variable, {name}, as one before it"
            fields.findings.warning(key.place, message, "keep one of them: case makes no difference")
        if mapped and not isinstance(entry.value, Scalar):
            _check_parts(entry, fields)
        variables[name] = _text(entry.value, fields.findings)
    return variables


def _check_parts(entry: Entry, fields: Fields) -> None:
    """Refuse references in a list or map."""
    for text in texts_of(entry.value):
        if is_reference(text.text):
            message = f"{quoted(text.text)} stands in a list or map, the parameter {quoted(entry.key.text)}"
            hint = "write all of it as a text, '!{a},b', or refer to a list of 'globals'"
            fields.findings.error(text.place, message, hint)


def _text(node: Node, findings: Findings) -> str:
    if isinstance(node, Scalar):
        return gotext.alone(typed(node))
    items = node.items if isinstance(node, Sequence) else (node,)
    values = [typed(item) for item in items if isinstance(item, Scalar)]
    if len(values) < len(items):
        return _json(node, findings)
    return ",".join(gotext.in_yaml(value) for value in values if value is not None)


def _json(node: Node, findings: Findings) -> str:
    if isinstance(node, Mapping):
        return _json_map(node, findings)
    if isinstance(node, Sequence):
        return f"[{','.join(_json(item, findings) for item in node.items)}]"
    value = typed(node)
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{node.text} stands in a parameter that is passed as JSON, which has no such number"
        findings.error(node.place, message, "quote it")
        return ""
    return gotext.in_json(value)


def _json_map(node: Mapping, findings: Findings) -> str:
    members: dict[str, str] = {}
    for entry in node.entries:
        key = typed(entry.key)
        if key is None:
            message = "a null key stands in a parameter that is passed as JSON, whose keys are texts"
            findings.error(entry.key.place, message, "quote it")
        name = gotext.in_yaml(key)
        if name in members:
            message = f"the key {quoted(entry.key.text)} is {quoted(name)} in JSON, as one before it"
            findings.warning(entry.key.place, message, "quote the keys, or keep one of them")
        members[name] = _json(entry.value, findings)
    return f"{{{','.join(f'{gotext.in_json(name)}:{members[name]}' for name in sorted(members))}}}"
