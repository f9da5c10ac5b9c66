"""The JSON form of a plan: one document for ``runner compile --output json``, golden files, journal and store.

Its keys are the fields of ``plan.model``, with Vela's words for three that Python or clarity renames. It is canonical:
fields stand in the order of the model, mappings are sorted (``DATA`` stands as it is), and a key is absent only where
rules or facts leave one empty, or a field that is ``RARE`` has its default. Async stages stand after the others, and
have ``async``. It round-trips.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from enum import StrEnum
from types import NoneType, UnionType
from typing import TypeVar, get_args, get_origin, get_type_hints

from runner.errors import InfrastructureError
from runner.plan.model import Facts, Json, Limits, Plan, Rules, Ruleset

VERSION = 2
# Most rules and facts are absent from most plans.
_SPARSE = (Facts, Limits, Rules, Ruleset)
_KEYS = {"if_": "if", "async_": "async", "proceed": "continue"}

_T = TypeVar("_T")


class _BadDocumentError(Exception):
    """What is wrong with a document, and where in it."""


def to_document(plan: Plan) -> dict[str, Json]:
    """Return the plan as JSON data: ``{"version", "dialect", "stages": [...], "services", "pruned", ...}``."""
    whole = replace(plan, stages=(*plan.stages, *plan.async_stages), async_stages=())
    return {"version": VERSION, **_fields_of(whole)}


def from_document(document: object) -> Plan:
    """Return the plan of a document made by ``to_document``.

    Raises InfrastructureError for a document of another version, for missing or unknown keys, and for values of the
    wrong kind: it was written by another version of the program, or is damaged.
    """
    try:
        return _read_plan(document)
    except _BadDocumentError as error:
        raise InfrastructureError(
            f"this is not the document of a plan: {error}",
            hint=f"it must have been written by a version of runner that writes plans of version {VERSION}",
        ) from error


def encode(value: object) -> Json:
    """Return any value of the model's kinds as JSON data: dataclasses, tuples, mappings of them, words, numbers."""
    return _encode(value)


def decode(kind: type[_T], document: object) -> _T:
    """Return the dataclass that ``encode`` made a document of.

    Raises InfrastructureError as ``from_document``.
    """
    try:
        return _decode_object(kind, _expect(dict, document, kind.__name__), "")
    except _BadDocumentError as error:
        raise InfrastructureError(f"this is not the document of a {kind.__name__}: {error}") from error


def dumps(plan: Plan) -> str:
    """Return the document as text that people can read and compare, with a newline at its end."""
    return json.dumps(to_document(plan), indent=2, ensure_ascii=False) + "\n"


def _fields_of(value: object) -> dict[str, Json]:
    present = {field: getattr(value, field.name) for field in _fields(type(value))}
    return {
        _key(field.name): part if "data" in field.metadata else _encode(part)
        for field, part in present.items()
        if not (_optional(type(value), field) and part == _default(field))
    }


def _fields(kind: type) -> tuple[Field[object], ...]:
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} has no place in a plan")
    return fields(kind)


def _optional(kind: type, field: Field[object]) -> bool:
    return issubclass(kind, _SPARSE) or "rare" in field.metadata


def _default(field: Field[object]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _encode(value: object) -> Json:
    match value:
        case StrEnum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return [_encode(item) for item in value]
        case Mapping():
            return {name: _encode(value[name]) for name in sorted(value)}
        case _:
            return _fields_of(value)


def _key(name: str) -> str:
    return _KEYS.get(name, name)


def _read_plan(document: object) -> Plan:
    if not isinstance(document, dict):
        raise _BadDocumentError("it is not an object")
    if document.get("version") != VERSION:
        raise _BadDocumentError(f"its version is {document.get('version')!r}")
    body = {key: value for key, value in document.items() if key != "version"}
    plan = _decode(Plan, body, "")
    if not isinstance(plan, Plan):
        raise TypeError("a plan decodes to a plan")
    apart = tuple(stage for stage in plan.stages if stage.async_)
    return replace(plan, stages=tuple(stage for stage in plan.stages if not stage.async_), async_stages=apart)


def _decode(kind: object, value: object, path: str) -> object:
    """Return the JSON value as a value of the type that a field of the model is annotated with."""
    origin = get_origin(kind)
    if origin is UnionType:
        return _decode_optional(kind, value, path)
    if origin is tuple:
        items = _expect(list, value, path)
        return tuple(_decode(get_args(kind)[0], item, f"{path}[{index}]") for index, item in enumerate(items))
    if origin is Mapping:
        entries = _expect(dict, value, path)
        return {name: _decode(get_args(kind)[1], entry, f"{path}.{name}") for name, entry in entries.items()}
    if not isinstance(kind, type):
        raise TypeError(f"the model has a field of a kind that JSON has no form for: {kind}")
    if is_dataclass(kind):
        return _decode_object(kind, _expect(dict, value, path), path)
    if issubclass(kind, StrEnum):
        return _decode_word(kind, value, path)
    return _expect(kind, value, path)


def _decode_optional(kind: object, value: object, path: str) -> object:
    (inner,) = (option for option in get_args(kind) if option is not NoneType)
    return None if value is None else _decode(inner, value, path)


def _decode_object(kind: type[_T], value: dict[str, object], path: str) -> _T:
    kinds = get_type_hints(kind)
    data = {field.name for field in _fields(kind) if "data" in field.metadata}
    keys = {_key(name): name for name in kinds}
    missing = {_key(field.name) for field in _fields(kind) if not _optional(kind, field)} - value.keys()
    for key in sorted(missing | (value.keys() - keys.keys())):
        raise _BadDocumentError(f"{path or 'it'} has {'no' if key in missing else 'the unknown'} key {key!r}")
    return kind(
        **{
            keys[key]: part if keys[key] in data else _decode(kinds[keys[key]], part, f"{path}.{key}".lstrip("."))
            for key, part in value.items()
        }
    )


def _decode_word(kind: type[StrEnum], value: object, path: str) -> StrEnum:
    word = _expect(str, value, path)
    if word not in list(kind):
        raise _BadDocumentError(f"{path} is {word!r}, and not one of {', '.join(kind)}")
    return kind(word)


def _expect(kind: type[_T], value: object, path: str) -> _T:
    """Return the value if it is of that kind; an integer will do for a float, a boolean for no number."""
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise _BadDocumentError(f"{path} is {value!r}, and not a {kind.__name__}")
    return value
