"""Vault's field types and their lenient coercion: one table, `KINDS`.

A parameter arrives as JSON or as query text; clients write `"1h"`, `3600` and `"3600"` for the same duration and
`"a,b"` and `["a", "b"]` for the same list. No error repeats a value: it may be a secret in the wrong place.
Source: Vault's `sdk/framework` documentation and recorded answers.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import msgspec

JSON = dict[str, Any]

# Annotations of `Args`: the type that handlers see, and the row of KINDS that makes it.
Name = Annotated[str, "name"]
LowerName = Annotated[str, "lower"]
Duration = Annotated[int, "duration"]
SignedDuration = Annotated[int, "signed duration"]
Base64 = Annotated[bytes, "base64"]
CommaList = Annotated[list[str], "comma list"]
IntList = Annotated[list[int], "int list"]
Pairs = Annotated[dict[str, str], "pairs"]
RawObject = Annotated[msgspec.Raw, "raw"]

_MICRO, _MILLI, _NANO = 10**3, 10**6, 10**9
#: Nanoseconds of each unit; both of Unicode's signs for micro are in use.
_UNITS = {
    "ns": 1,
    "us": _MICRO,
    "\u00b5s": _MICRO,
    "\u03bcs": _MICRO,
    "ms": _MILLI,
    "s": _NANO,
    "m": 60 * _NANO,
    "h": 3600 * _NANO,
}
_PART = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_UNITS)})")
_DAYS = re.compile(r"([+-]?)([0-9]+)d")
_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
#: Go's int64 nanoseconds: the longest duration a client can write.
MAX_SECONDS = (2**63 - 1) // 10**9
TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


class Invalid(ValueError):
    """A value that its kind cannot take; the text follows "error converting input for field ...: "."""


def parse_duration(value: object) -> float:
    """Seconds of a Go duration (`1h30m`, `1.5h`), of whole days (`30d`), or of a bare number of seconds."""
    if value is None or value == "":
        return 0
    if isinstance(value, bool):
        raise Invalid("could not parse duration from bool")
    if isinstance(value, (int, float)):
        seconds = value
    elif isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str):
        seconds = _duration_text(value.strip())
    else:
        raise Invalid("could not parse duration from input")
    if not abs(seconds) <= MAX_SECONDS:
        raise Invalid("duration is out of range")
    return float(seconds)


def _duration_text(text: str) -> float:
    if _INT.fullmatch(text):
        return float(text)
    days = _DAYS.fullmatch(text)
    if days:
        return float(days[1] + days[2]) * 86400
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    # Whole nanoseconds are exact in a float for a hundred days, decimal fractions of a second never are.
    total, at = 0.0, 0
    for part in _PART.finditer(rest):
        if part.start() != at:
            break
        total += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    if at != len(rest) or not rest:
        raise Invalid("time: invalid duration")
    return sign * total / _NANO


def format_duration(seconds: float) -> str:
    """Go's way of writing a duration: `1h30m0s`, `0s`, `1.5s`, `250ms`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    whole, nanos = divmod(round(seconds * _NANO), _NANO) if isinstance(seconds, float) else (seconds, 0)
    if not whole and nanos:
        unit, size = ("ms", _MILLI) if nanos >= _MILLI else ("\u00b5s", _MICRO) if nanos >= _MICRO else ("ns", 1)
        return f"{nanos / size:.6f}".rstrip("0").rstrip(".") + unit
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    text = f"{secs}{fraction}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def short_duration(seconds: int) -> str:
    """A duration without its zero parts: `768h`, `1h30m`, `0s`; as warnings and tables write it."""
    text = format_duration(seconds)
    if text.endswith("m0s"):
        text = text[:-2]
    if text.endswith("h0m"):
        text = text[:-2]
    return text


def parse_bool(value: object) -> bool:
    """Go's boolean words, numbers (not zero is true) and booleans; empty is false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value != 0
    if isinstance(value, str):
        if value in TRUE:
            return True
        if value in FALSE or value == "":
            return False
        raise Invalid("cannot parse '' as bool: invalid syntax")
    raise Invalid(f"'' expected type 'bool', got unconvertible type '{type_name(value)}'")


def parse_int(value: object) -> int:
    """An integer, or its decimal text; true is 1. A float must be whole."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif isinstance(value, str):
        text = value.strip()
        if text == "":
            return 0
        if not _INT.fullmatch(text) or len(text) > 20:
            raise Invalid("cannot parse '' as int: invalid syntax")
        number = int(text)
    else:
        raise Invalid(f"'' expected type 'int', got unconvertible type '{type_name(value)}'")
    if not -(2**63) <= number < 2**63:
        raise Invalid("value out of range")
    return number


def parse_float(value: object) -> float:
    """A finite number or its decimal text."""
    if isinstance(value, str):
        if not value.strip():
            return 0.0
        if not _FLOAT.fullmatch(value.strip()):
            raise Invalid("cannot parse '' as float: invalid syntax")
    elif not isinstance(value, (int, float)):
        raise Invalid(f"'' expected type 'float64', got unconvertible type '{type_name(value)}'")
    try:
        number = float(value)
    except OverflowError:
        raise Invalid("value out of range") from None
    if not math.isfinite(number):
        raise Invalid("value out of range")
    return number


def parse_text(value: object) -> str:
    """Text; numbers are written out, true is "1" and false "0"."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (int, float)):
        return number_text(value)
    raise Invalid(f"'' expected type 'string', got unconvertible type '{type_name(value)}'")


def number_text(value: float) -> str:
    """A JSON number as text."""
    return json.dumps(value)


def parse_name(value: object) -> str:
    """A name: letters, digits, `_`, `-`, `.`, beginning and ending with a letter, digit or `_`."""
    text = parse_text(value)
    if not NAME.fullmatch(text):
        raise Invalid("a name holds letters, digits, '.', '-' and '_', and begins and ends with none of '.' and '-'")
    return text


NAME = re.compile(r"\w(?:[\w.-]*\w)?", re.ASCII)


def parse_string_list(value: object) -> list[str]:
    """A list of texts; a single text is a list of one."""
    if value is None:
        return []
    if isinstance(value, list):
        return [parse_text(v) if v is not None else "" for v in value]
    text = parse_text(value)
    return [text] if text else []


def parse_comma_list(value: object) -> list[str]:
    """A list of texts, or one text with commas; blanks around each are dropped, empty ones too in a text."""
    if isinstance(value, list):
        return [parse_text(v).strip() for v in value if v is not None]
    if value is None:
        return []
    return [part.strip() for part in parse_text(value).split(",") if part.strip()]


def parse_int_list(value: object) -> list[int]:
    """A list of integers or of their texts, or one text with commas."""
    if isinstance(value, list):
        return [parse_int(v) for v in value]
    if value is None:
        return []
    return [parse_int(part) for part in parse_text(value).split(",") if part.strip()]


def parse_pairs(value: object) -> dict[str, str]:
    """A map of text to text, or a list of `key=value`."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return {k: "" if v is None else parse_text(v) for k, v in value.items()}
    if isinstance(value, str):
        value = [value] if value else []
    if isinstance(value, list):
        pairs = {}
        for item in value:
            key, found, text = parse_text(item).partition("=")
            if not found:
                raise Invalid("expected key=value")
            pairs[key] = text
        return pairs
    raise Invalid(f"'' expected a map, got '{type_name(value)}'")


def parse_map(value: object) -> JSON:
    """An object; null and an empty list count as an empty one."""
    if value is None or value == []:
        return {}
    if isinstance(value, dict):
        return value
    raise Invalid(f"'' expected a map, got '{type_name(value)}'")


def parse_base64(value: object) -> bytes:
    """Standard base64 with padding; line breaks in it are skipped."""
    text = parse_text(value).replace("\n", "").replace("\r", "")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error is one; so is the refusal of what is not ASCII
        raise Invalid("illegal base64 data") from None


def _seconds(value: object) -> int:
    seconds = parse_duration(value)
    if seconds < 0:
        raise Invalid("cannot provide negative value")
    return int(seconds)


def type_name(value: object) -> str:
    """The name by which Go's decoder would call a JSON value in an error."""
    names = {str: "string", bool: "bool", int: "json.Number", float: "json.Number", list: "[]interface {}"}
    return "nil" if value is None else names.get(type(value), "map[string]interface {}")


@dataclass(frozen=True, slots=True)
class Kind:
    """How one field type is read, and how OpenAPI names it."""

    parse: Callable[[Any], Any]
    schema: dict[str, Any]


_TEXTS = {"type": "array", "items": {"type": "string"}}
KINDS: dict[str, Kind] = {
    "str": Kind(parse_text, {"type": "string"}),
    "name": Kind(parse_name, {"type": "string", "pattern": r"^\w([\w.-]*\w)?$"}),
    "lower": Kind(lambda v: parse_text(v).lower(), {"type": "string"}),
    "int": Kind(parse_int, {"type": "integer"}),
    "float": Kind(parse_float, {"type": "number"}),
    "bool": Kind(parse_bool, {"type": "boolean"}),
    "duration": Kind(_seconds, {"type": "integer", "format": "seconds"}),
    "signed duration": Kind(lambda v: int(parse_duration(v)), {"type": "integer", "format": "seconds"}),
    "base64": Kind(parse_base64, {"type": "string", "format": "byte"}),
    "list[str]": Kind(parse_string_list, _TEXTS),
    "comma list": Kind(parse_comma_list, _TEXTS),
    "int list": Kind(parse_int_list, {"type": "array", "items": {"type": "integer"}}),
    "pairs": Kind(parse_pairs, {"type": "object", "format": "kvpairs"}),
    "dict[str, Any]": Kind(parse_map, {"type": "object", "format": "map"}),
    "raw": Kind(parse_map, {"type": "object", "format": "map"}),
    "Any": Kind(lambda v: v, {}),
}
