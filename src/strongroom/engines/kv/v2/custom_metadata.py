"""Custom metadata: pairs of texts that belong to a key, and what they may be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from strongroom.api.fields import Invalid, parse_text, type_name
from strongroom.errors import BadRequest

MAX_PAIRS: Final = 64
MAX_NAME_BYTES: Final = 128
MAX_VALUE_BYTES: Final = 512

PREFIX: Final = "custom_metadata validation failed"

# Floats arrive as the text they were written in: all values become text.
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode


def parse(pairs: msgspec.Raw | None) -> dict[str, str] | None:
    """The pairs of an object, whose values become text; None for no pairs.

    Raises:
        BadRequest: a value that is no text, or pairs beyond the limits.
    """
    return _checked({name: _text(value) for name, value in _pairs(pairs).items()})


def merged(former: Mapping[str, str] | None, changes: msgspec.Raw | None) -> dict[str, str] | None:
    """The former pairs with an object merged into them: null removes a pair, and in place of the object all of them."""
    if changes is None:
        return None
    result = dict(former or {})
    for name, value in _pairs(changes).items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _text(value)
    return _checked(result)


def _pairs(raw: msgspec.Raw | None) -> dict[str, Any]:
    return {} if raw is None else _decode(raw)


def _text(value: Any) -> str:
    if value is None:
        return ""
    try:
        return parse_text(value)
    except Invalid:
        raise BadRequest(f"{PREFIX}: '' expected type 'string', got unconvertible type '{type_name(value)}'") from None


def _checked(pairs: dict[str, str]) -> dict[str, str] | None:
    problems = (
        [f"payload must contain at most {MAX_PAIRS} keys, provided {len(pairs)}"]
        if len(pairs) > MAX_PAIRS
        else [problem for name, value in pairs.items() for problem in _problems(name, value)]
    )
    if problems:
        head = f"{len(problems)} error{'s' if len(problems) > 1 else ''} occurred:"
        raise BadRequest(head + "".join(f"\n\t* {PREFIX}: {problem}" for problem in problems) + "\n\n")
    return pairs or None


def _problems(name: str, value: str) -> list[str]:
    """What is wrong with a pair; a value is not quoted."""
    quoted = json.dumps(name, ensure_ascii=False)
    size, value_size = _size(name), _size(value)
    problems = []
    if not 0 < size <= MAX_NAME_BYTES:
        problems.append(f"length of key {quoted} is {size} but must be 0 < len(key) <= {MAX_NAME_BYTES}")
    if not 0 < value_size <= MAX_VALUE_BYTES:
        problems.append(
            f"length of value for key {quoted} is {value_size} but must be 0 < len(value) <= {MAX_VALUE_BYTES}"
        )
    if not name.isprintable():
        problems.append(f"key {quoted} ({name}) contains unprintable characters")
    if not value.isprintable():
        problems.append(f"value for key {quoted} contains unprintable characters")
    return problems


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
