"""A JSON Schema (draft 7, which editors read best) from the definitions that the loader reads by.

It cannot say everything that the loader checks: what depends on other values (needs, duplicate names), on quotes
(``"true"`` is no boolean) or on a grammar (patterns, expressions, substitution). Keys that nobody knows are refused
here, so that an editor underlines them, where the loader only warns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from runner.dialects.definitions import Form, Key, Kind, Standing
from runner.dialects.detect import Dialect, named
from runner.dialects.ibm.keys import VERSION_1, VERSION_2
from runner.dialects.metalus.keys import APPLICATION, WRAPPED
from runner.dialects.nodes import FALSE_WORDS, TRUE_WORDS
from runner.dialects.vela.keys import PIPELINE

Schema: TypeAlias = Mapping[str, "Schema | Sequence[Schema | str | bool | None] | str | bool | int"]

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_NULL: Final[Schema] = {"type": "null"}
_SINGLE: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}
_PAIR: Final[Schema] = {"type": "string", "pattern": "="}
_NOTHING: Final[Schema] = {"enum": ["", False, None]}
_VARIABLE: Final[Schema] = {"type": "string", "pattern": r"\$\{"}
_FREE: Final = r"^(x-|\.)"
_TITLES: Final = {
    Dialect.VELA: "A pipeline of runner, in Vela's format",
    Dialect.IBM: "The .pipeline-config.yaml of an IBM DevSecOps pipeline",
    Dialect.METALUS: "An application in the format of Metalus, with containers as steps",
}
_ROOTS: Final[Mapping[Dialect, tuple[Kind, ...]]] = {
    Dialect.VELA: (PIPELINE,),
    Dialect.IBM: (VERSION_1, VERSION_2),
    Dialect.METALUS: (APPLICATION, WRAPPED),
}


def schema_of(dialect: str) -> Schema:
    """Return the schema of a dialect; without a name that of Vela's, which is our own, too.

    Raises:
        UsageError: there is no such dialect.
    """
    found = named(dialect) if dialect else Dialect.VELA
    return to_schema(_TITLES[found], *_ROOTS[found])


def to_schema(title: str, *roots: Kind) -> Schema:
    """Return the schema of a document whose root is a map of one of these kinds."""
    definitions: dict[str, Schema] = {}
    for kind in roots:
        _define(kind, definitions)
    top = definitions.pop(roots[0].name) if len(roots) == 1 else _any(*map(_reference, roots))
    return {"$schema": _DRAFT, "title": title, **top, "definitions": dict(sorted(definitions.items()))}


def _define(kind: Kind, definitions: dict[str, Schema]) -> None:
    """Add the definitions of a kind and of all kinds inside."""
    if kind.name in definitions:
        return
    definitions[kind.name] = {
        "type": "object",
        "properties": {key.name: _key(key) for key in kind.keys},
        "required": [key.name for key in kind.keys if key.required],
        **({"oneOf": [{"required": [name]} for name in kind.one_of]} if kind.one_of else {}),
        **({} if kind.open else {"patternProperties": {_FREE: {}}, "additionalProperties": _others(kind)}),
    }
    for inner in (kind.others, *(key.kind for key in kind.keys)):
        if inner is not None:
            _define(inner, definitions)


def _others(kind: Kind) -> Schema | bool:
    """Return what may stand under a key that has no definition."""
    return _any(_reference(kind.others), _NULL) if kind.others else False


def _reference(kind: Kind) -> Schema:
    return {"$ref": f"#/definitions/{kind.name}"}


def _key(key: Key) -> Schema:
    if key.standing is Standing.LATER:
        return {"description": key.about, "anyOf": [_NOTHING, {"type": "array", "maxItems": 0}]}
    return {"description": key.about, **(_text(key) if key.form is Form.TEXT else _FORMS[key.form](_inside(key)))}


def _inside(key: Key) -> Schema:
    return _reference(key.kind) if key.kind else {}


def _any(*options: Schema) -> Schema:
    return {"anyOf": options}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _map(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


def _text(key: Key) -> Schema:
    if key.words:
        return _any({"enum": key.words}, {"type": ["boolean", "null"]} if "true" in key.words else _NULL, _VARIABLE)
    if key.pattern:
        return _any({"type": "string", "pattern": key.pattern}, {"type": ["number", "null"]}, _VARIABLE)
    return {"type": ["string", "number", "boolean"], "minLength": 1} if key.required else _SINGLE


_FORMS: Final[Mapping[Form, Callable[[Schema], Schema]]] = {
    Form.FLAG: lambda _: _any({"type": ["boolean", "null"]}, {"enum": sorted(TRUE_WORDS | FALSE_WORDS)}, _VARIABLE),
    Form.TEXTS: lambda _: _any(_SINGLE, _list(_SINGLE)),
    Form.NAMES: lambda _: _any(_list(_SINGLE), _NULL),
    Form.VARIABLES: lambda _: _any(_map(_SINGLE), _list(_PAIR), _PAIR, _NULL),
    Form.MAP: lambda inside: _any(inside, _NULL),
    Form.LIST: lambda inside: _any(_list(inside), _NULL),
    Form.ENTRIES: lambda inside: _any(_list(_any(_SINGLE, inside)), _SINGLE),
    Form.NAMED: lambda inside: _any(_map(inside), _NULL),
    Form.VALUES: lambda _: _any({"type": "object"}, _NULL),
    Form.DATA: lambda _: {"type": ["array", "string", "null"]},
    Form.ANYTHING: lambda _: {},
}
