"""The ``parameters`` of a step, as the variables that plugins read them from.

As go-vela/server has it (``compiler/native/environment.go`` and ``api/types/string.go``): unlike all other values of a
pipeline they are typed as YAML types them, so ``1.20`` is 1.2. A list of single values is joined with commas; any
other list, and every map, is JSON. Where Vela puts the text of an internal error into the variable, that is an error
of the file here.
"""

from typing import Final

from runner.dialects.data import texts_of
from runner.dialects.source import Entry, Scalar, quoted
from runner.dialects.vela.environment import check_name
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.references import is_reference

_KEY: Final = "parameters"


def read_parameters(fields: Fields, *, mapped: bool = False) -> dict[str, str]:
    """Return ``PARAMETER_<NAME>`` for each parameter that is not null, in the order of the file.

    Names are upper-cased and nothing else: ``dry-run`` is ``PARAMETER_DRY-RUN``. Of two that become the same variable
    the later counts, with a warning. In a file that is ``mapped`` a parameter may be a reference; one within a list or
    a map is an error, since it becomes a part of a text.
    """
    node = fields.mapping(_KEY)
    if node is None:
        return {}
    from runner.dialects.vela.passed import text_of  # noqa: PLC0415 - most steps have no parameters

    variables: dict[str, str] = {}
    for entry in node.entries:
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
        variables[name] = text_of(entry.value, fields.findings)
    return variables


def _check_parts(entry: Entry, fields: Fields) -> None:
    """Refuse references in a list or map."""
    for text in texts_of(entry.value):
        if is_reference(text.text):
            message = f"{quoted(text.text)} stands in a list or map, the parameter {quoted(entry.key.text)}"
            hint = "write all of it as a text, '!{a},b', or refer to a list of 'globals'"
            fields.findings.error(text.place, message, hint)
