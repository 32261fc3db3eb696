"""JSON that comes back as it went in: every number keeps its digits, whatever its size or form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

#: Integers up to this many characters are `int`; longer ones, and all other numbers, keep their text.
_PLAIN_DIGITS = 18


class Number(str):
    """A number by its JSON text: a fraction, an exponent, or an integer too long to bother."""

    __slots__ = ()


def _integer(text: str) -> int | Number:
    return int(text) if len(text) <= _PLAIN_DIGITS and text != "-0" else Number(text)


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def loads(text: str | bytes) -> Any:
    """Decode; raises `ValueError` (which never quotes the text) on what is not JSON."""
    try:
        return json.loads(text, parse_float=Number, parse_int=_integer, parse_constant=_constant)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise ValueError(f"not JSON at line {error.lineno}, column {error.colno}: {what}") from None
    except UnicodeDecodeError:
        raise ValueError("not JSON: not UTF-8 text") from None
    except RecursionError:
        raise ValueError("not JSON we can read: nested too deeply") from None


def dumps(value: Any, *, indent: int = 0) -> str:
    """Encode, compactly or with each member on a line of its own, indented by so many spaces."""
    parts: list[str] = []
    dump(value, parts.append, indent=indent)
    return "".join(parts)


def dump(value: Any, write: Callable[[str], object], *, indent: int = 0) -> None:
    """The same piece by piece: of a long list there is never a whole text."""
    _write(value, write, "\n" if indent else "", " " * indent)


def ordered(value: Any) -> Any:
    """The same with the keys of every object sorted."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(member) for member in value] if isinstance(value, list) else value


def text(value: str) -> str:
    """A JSON string, with characters outside ASCII as they are."""
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair: only its escape can be written
        return encode_basestring_ascii(value)
    return encode_basestring(value)


def _write(value: Any, write: Callable[[str], object], newline: str, step: str) -> None:
    if isinstance(value, Number):
        write(value)
    elif isinstance(value, str):
        write(text(value))
    elif value is None or isinstance(value, bool):
        write("null" if value is None else "true" if value else "false")
    elif isinstance(value, dict):
        _write_all("{}", ((text(str(key)), member) for key, member in value.items()), write, newline, step)
    elif isinstance(value, list | tuple):
        _write_all("[]", (("", member) for member in value), write, newline, step)
    else:
        write(str(value))


def _write_all(
    brackets: str, members: Iterable[tuple[str, Any]], write: Callable[[str], object], newline: str, step: str
) -> None:
    write(brackets[0])
    inner = newline + step if newline else ""
    separator = ""
    for key, member in members:
        before = separator + inner + (key + (": " if newline else ":") if key else "")
        separator = ","
        if type(member) is str:
            write(before + text(member))
        else:
            write(before)
            _write(member, write, inner, step)
    if separator:
        write(newline)
    write(brackets[1])
