"""Domain objects from database rows."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from databases.interfaces import Record

T = TypeVar("T")
Converter = Callable[[Any], Any]


def from_row(model: type[T], row: Record | Mapping[str, Any], **values: Any) -> T:
    """Build a dataclass from a row, or from the object in a JSON column.

    model: a dataclass; enumerations, tuples and nested dataclasses are converted to the types of its fields.
    row: has a column for each field that `values` does not give.
    values: fields that are computed rather than read.
    """
    for name, convert in _converters(model):  # type: ignore[arg-type]
        if name not in values:
            values[name] = row[name] if convert is None else convert(row[name])
    return model(**values)


@functools.cache
def _converters(model: type[Any]) -> Sequence[tuple[str, Converter | None]]:
    hints = get_type_hints(model)
    return [(field.name, _converter(hints[field.name])) for field in fields(model)]


def _converter(hint: Any) -> Converter | None:
    """Return the conversion of a column to this type; None if the driver returns the type itself."""
    if get_origin(hint) is tuple:
        convert = _converter(get_args(hint)[0])
        return tuple if convert is None else lambda items: tuple(map(convert, items))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if get_origin(hint) is UnionType:
        return _optional(hint)
    return (lambda columns: from_row(hint, columns)) if isinstance(hint, type) and is_dataclass(hint) else None


def _optional(hint: Any) -> Converter | None:
    converters = [convert for option in get_args(hint) if (convert := _converter(option)) is not None]
    if not converters:
        return None
    (convert,) = converters
    return lambda value: None if value is None else convert(value)
