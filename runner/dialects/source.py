"""The one loader of YAML and JSON: bytes of unknown origin to a tree with places, or findings. Nothing else.

It stands on PyYAML's event stream (libyaml where there is one) and builds no Python objects from tags. What it
accepts follows Vela, which reads with go-yaml v3 (``internal/yaml.go`` of go-vela/server): duplicate keys are an error,
``<<`` merges, a duplicate ``<<`` and a second document only warn.
"""

import codecs
import json
import re
from typing import Final, NoReturn

import yaml

from runner.dialects.compose import DEFAULT_LIMITS, Composer, Limits
from runner.dialects.findings import Findings, nearest, quoted
from runner.dialects.nodes import Entry, Mapping, Node, Scalar, Sequence
from runner.errors import Place

__all__ = [
    "DEFAULT_LIMITS",
    "Entry",
    "Findings",
    "Limits",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "load",
    "nearest",
    "quoted",
]

PARSER: type[yaml.CSafeLoader | yaml.SafeLoader] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

# libyaml compares each %TAG line with all before it.
_MAX_DIRECTIVES: Final = 16
# Patterns that are rarely looked for are compiled then: those beyond ASCII take milliseconds.
_NOT_YAML: Final = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_NOT_YAML_OF_ASCII: Final = "[^\t\n\r\x20-\x7e]"
# What JSON means and YAML reads otherwise: escaped surrogate pairs, raw characters that YAML takes for line breaks or
# refuses, tabs between tokens.
_JSON_ONLY: Final = (
    r"\\\\|(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    "|(?P<raw>[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff])|(?P<tab>\t)"
)
_TAG: Final = "a value that begins with '!': put it in quotes"
_HINTS: Final = (
    ("mapping values are not allowed", "quote a value that holds ': ', and check the indentation"),
    ("cannot start any token", "a value that begins with such a character: put it in quotes"),
    ("tag handle", _TAG),
    ("scanning a tag", _TAG),
    ("parsing a tag", _TAG),
    (
        "scanning a block scalar",
        "a value that holds '||': put it in quotes; a block begins a line below '|'",
    ),
    ("escape", r"in double quotes a backslash is written '\\'; single quotes take it as it is"),
    ("end of stream", "close the quote or bracket"),
    ("',' or", "close the bracket, or put a comma between the values"),
    ("incompatible", "remove the %YAML line"),
)
_HINT: Final = "check the indentation, quotes and brackets here and above"


def load(content: bytes, file: str, findings: Findings, limits: Limits = DEFAULT_LIMITS) -> Node:
    """Read one YAML or JSON document and return its root.

    ``file`` is the name that places show. Warnings are left in ``findings``, where a dialect goes on to collect its
    own. An alias gives the same node object as its anchor, with the anchor's place.

    Raises:
        InvalidPipelineError: with all findings, whatever the bytes are; no other error comes out.
    """
    text = _decode(content, file, findings, limits)
    composer = Composer(yaml.parse(text, PARSER), file=file, findings=findings, limits=limits)
    try:
        root = composer.document()
    except yaml.MarkedYAMLError as error:
        _fail_syntax(error, text, composer.here, findings)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        findings.fail(composer.here, f"this cannot be read as YAML: {error}", _HINT)
    findings.raise_if_errors()
    return root


def _decode(content: bytes, file: str, findings: Findings, limits: Limits) -> str:
    """Return the text of a file, once it is certain to be text that a YAML parser reads in linear time."""
    start = Place(file=file)
    if len(content) > limits.size:
        message = f"the file has {len(content)} bytes, more than {limits.size}"
        findings.fail(start, message, "split it, or keep large data out of it")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        findings.fail(start, "the file is in UTF-16", "save it as UTF-8")
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        message = f"the byte 0x{error.object[error.start]:02x} is not UTF-8"
        findings.fail(_place(file, before), message, "save the file as UTF-8")
    text = _as_yaml(text)
    if bad := re.search(_NOT_YAML_OF_ASCII if text.isascii() else _NOT_YAML, text):
        message = f"the character U+{ord(bad.group()):04X} cannot stand in YAML"
        findings.fail(_place(file, text[: bad.start()]), message, "save the file as UTF-8 text, without it")
    for count, directive in enumerate(re.finditer("^%", text, re.MULTILINE)):
        if count == _MAX_DIRECTIVES:
            place = _place(file, text[: directive.start()])
            findings.fail(place, f"more than {_MAX_DIRECTIVES} directives (lines with '%')", "remove them")
    return text


def _as_yaml(text: str) -> str:
    """Return JSON as YAML that means the same; any other text as it is.

    An escaped surrogate pair becomes two characters shorter, which moves the columns after it on its line.
    """
    if text.lstrip()[:1] not in ("{", "[") or not re.search(_JSON_ONLY, text):
        return text
    try:
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return text
    return re.sub(_JSON_ONLY, _as_yaml_escape, text)


def _as_yaml_escape(match: re.Match[str]) -> str:
    if match["tab"]:
        return " "  # strict JSON has raw tabs between tokens only
    if match["pair"] or match["raw"]:
        character = json.loads(f'"{match.group()}"')
        return f"\\U{ord(character):08X}"
    return match.group()


def _place(file: str, before: str) -> Place:
    """Return the place right after the given beginning of a file."""
    return Place(file=file, line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))


def _fail_syntax(error: yaml.MarkedYAMLError, text: str, here: Place, findings: Findings) -> NoReturn:
    mark, problem = error.problem_mark, error.problem or str(error)
    place = here if mark is None else Place(file=here.file, line=mark.line + 1, column=mark.column + 1)
    if mark is not None and text[mark.index : mark.index + 1] == "\t":
        findings.fail(place, "a tab stands where YAML wants spaces", "indent with spaces")
    whole = f"{problem} {error.context or ''}"
    hint = next((hint for part, hint in _HINTS if part in whole), _HINT)
    if error.context and error.context_mark:
        problem = f"{problem}, {error.context} that begins at line {error.context_mark.line + 1}"
    findings.fail(place, problem, hint)
