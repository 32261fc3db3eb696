"""`Args`: the typed parameters of an endpoint, declared once and read leniently.

    class EncryptArgs(Args):
        name: Name = field("Key to encrypt with.")
        plaintext: Base64 = field("Data to encrypt.")
        key_version: int = field("0 means the latest version.", default=0)

Validation, OpenAPI, path-help and the reference pages come from these declarations. A refusal names the field, never
the value.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin

import msgspec

from strongroom.api.fields import KINDS, Invalid
from strongroom.errors import BadRequest

_ZERO: dict[type, Any] = {str: "", int: 0, bool: False, float: 0.0, bytes: b""}
_NOTHING = object()
_TEXTS = frozenset(("str", "name", "lower"))


@dataclass(slots=True)
class Field:
    """One parameter. `aliases` are older names, taken only where the name itself is absent."""

    help: str
    default: Any = _NOTHING
    required: str = ""
    aliases: tuple[str, ...] = ()
    deprecated: bool = False
    choices: tuple[str, ...] = ()
    name: str = ""
    kind: str = ""
    optional: bool = False


def field(
    help: str,  # noqa: A002 - what the text is
    *,
    default: Any = _NOTHING,
    required: str = "",
    aliases: tuple[str, ...] = (),
    deprecated: bool = False,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a parameter; an absent one is its `default`, else its type's zero, else refused with `required`."""
    return Field(help, default, required, aliases, deprecated, choices)


def _kind_of(annotation: Any) -> tuple[str, type, bool]:
    """The row of KINDS, the Python type, and whether None is allowed."""
    optional = False
    if get_origin(annotation) in (types.UnionType, typing.Union):
        rest = [a for a in get_args(annotation) if a is not types.NoneType]
        optional, annotation = True, rest[0]
    if get_origin(annotation) is Annotated:
        base, kind = get_args(annotation)[:2]
        return kind, get_origin(base) or base, optional
    if annotation is Any:
        return "Any", object, optional
    name = annotation.__name__ if get_origin(annotation) is None else str(annotation).replace("typing.", "")
    if name not in KINDS:
        raise TypeError(f"no field kind for {annotation!r}")
    return name, get_origin(annotation) or annotation, optional


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Args:
    """The parameters of one endpoint; subclasses declare them with `field`. Null stands for a parameter's default."""

    fields: ClassVar[dict[str, Field]] = {}
    _lookup: ClassVar[dict[str, Field]] = {}
    _mutable: ClassVar[tuple[tuple[str, Any], ...]] = ()
    _required: ClassVar[tuple[Field, ...]] = ()
    given: frozenset[str] = frozenset()

    def __init_subclass__(cls) -> None:
        if clashes := sorted(n for n, v in vars(cls).items() if isinstance(v, Field) and n in vars(Args)):
            raise TypeError(f"{cls.__name__}: Args has the names {', '.join(clashes)} for itself")
        cls.fields = {name: f for base in reversed(cls.__mro__) for name, f in vars(base).get("fields", {}).items()}
        hints = typing.get_type_hints(cls, include_extras=True)
        for name, declared in list(vars(cls).items()):
            if not isinstance(declared, Field):
                continue
            declared.name = name
            declared.kind, base, declared.optional = _kind_of(hints[name])
            if declared.default is _NOTHING:
                declared.default = None if declared.optional else _ZERO.get(base, _NOTHING)
                if declared.default is _NOTHING:
                    declared.default = base() if base in (list, dict) else None
            cls.fields[name] = declared
            setattr(cls, name, declared.default)
        cls._lookup = {alias: f for f in cls.fields.values() for alias in (*f.aliases, f.name)}
        cls._required = tuple(f for f in cls.fields.values() if f.required)
        cls._mutable = tuple((n, f.default) for n, f in cls.fields.items() if isinstance(f.default, (list, dict)))

    def __init__(self, **values: Any) -> None:
        #: The parameters that the request named.
        self.given = frozenset(values)
        # What a handler changes must not be the next request's default.
        for name, default in self._mutable:
            if name not in values:
                self.__dict__[name] = default.copy()
        self.__dict__.update(values)

    @classmethod
    def parse(
        cls,
        params: Mapping[str, str],
        data: Mapping[str, Any],
        raw: Mapping[str, msgspec.Raw],
        *,
        complete: bool = True,
    ) -> tuple[Self, list[str]]:
        """Read the path's `params` and the request's `data`; return the arguments and the names nobody knows.

        Without `complete` nothing is required.

        Raises:
            BadRequest: naming the field that cannot be read, or is missing.
        """
        values: dict[str, Any] = {}
        unknown: list[str] = []
        lookup = cls._lookup
        for key, value in data.items():
            if key in params:
                continue  # the path's wins, whatever the body says
            known = lookup.get(key)
            if known is None:
                unknown.append(key)
            elif known.name == key or _counts(known, key, data):
                values[known.name] = _convert(known, key, value, raw)
        for key, text in params.items():
            known = lookup.get(key)
            if known is not None:
                values[known.name] = _convert(known, key, text, {})
        if complete:
            for declared in cls._required:
                if declared.name not in values:
                    raise BadRequest(declared.required)
        return cls(**values), sorted(unknown) if unknown else unknown


def _counts(declared: Field, alias: str, data: Mapping[str, Any]) -> bool:
    """Whether no name that comes before the alias is given too."""
    earlier = declared.aliases[: declared.aliases.index(alias)]
    return declared.name not in data and not any(name in data for name in earlier)


def _convert(declared: Field, key: str, value: Any, raw: Mapping[str, msgspec.Raw]) -> Any:
    if declared.kind == "str" and type(value) is str and not declared.choices:
        return value  # as most are
    if value is None:
        default = declared.default
        return default.copy() if isinstance(default, (list, dict)) else default
    if declared.kind in _TEXTS and type(value) in (int, float) and key in raw:
        value = bytes(raw[key]).decode().strip()  # all the digits that were written
    try:
        result = KINDS[declared.kind].parse(value)
    except Invalid as e:
        raise BadRequest(f'Field validation failed: error converting input for field "{key}": {e}') from None
    if declared.kind == "raw":
        # An empty list counts as an empty object, so only what has content is taken as it was written.
        return (raw.get(key) if result else None) or msgspec.Raw(msgspec.json.encode(result))
    if declared.choices and result not in declared.choices:
        wanted = ", ".join(declared.choices)
        raise BadRequest(f'Field validation failed: field "{key}" must be one of {wanted}')
    return result
