"""Records: immutable classes of named values, as nearly all that is handed around here.

A frozen dataclass has six methods compiled when it is defined, which takes half a millisecond, and a run needs two
hundred of them. Of a record only ``__init__`` is compiled; its other methods are those below, which look up the fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, Final, TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def record(cls: type[_T]) -> type[_T]:
    """Make a class what ``dataclass(frozen=True, kw_only=True)`` would; all of ``dataclasses`` works with it."""
    for name, method in _METHODS.items():
        if vars(cls).get(name) is None:  # a class with an __eq__ of its own has None as its __hash__
            setattr(cls, name, method)
    made: Any = dataclass(kw_only=True, eq=False, repr=False)(cls)
    compared = [each.name for each in fields(made) if each.compare]
    made._compared = attrgetter(*compared) if compared else staticmethod(lambda _: None)  # noqa: SLF001 - it is ours
    return cls


def _assign(self: Any, name: str, value: object) -> None:  # noqa: ANN401 - a record
    if name in vars(self) or name not in self.__dataclass_fields__:  # else it is ``__init__`` that assigns
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    vars(self)[name] = value


def _delete(self: object, name: str) -> None:  # noqa: ARG001 - as Python calls it
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _equal(self: Any, other: Any) -> Any:  # noqa: ANN401 - a record, anything, and a bool or NotImplemented
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def _hash(self: Any) -> int:  # noqa: ANN401 - a record
    return hash(self._compared(self))


@recursive_repr()
def _represent(self: Any) -> str:  # noqa: ANN401 - a record
    values = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({', '.join(values)})"


_METHODS: Final[Mapping[str, Callable[..., object]]] = {
    "__setattr__": _assign,
    "__delattr__": _delete,
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _represent,
}
