"""`.env` files: names and texts as shells and other tools read them.

Written: a line `NAME=value` for each, in the order of the names. A value of letters, digits and `_ . / : @ % + , -`
stands as it is, any other in single quotes, and one that holds a single quote or a line break in double quotes, with a
backslash before `"`, backslashes, `$` and backquotes, and `\\n`, `\\r` for the ends of lines.

Read: the same; `export ` before a name; blanks around the `=`; empty lines; comments, at the begin of a line or after a
blank; quoted values that go over several lines. In double quotes `\\n`, `\\r` and `\\t` are what they are in C, and a
backslash before anything else stands for that alone. Nothing is expanded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: A name that a shell can have.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,-]+", re.ASCII)
_ESCAPED = {"\n": "\\n", "\r": "\\r", **{ch: f"\\{ch}" for ch in '"\\$`'}}
_MEANT = {"n": "\n", "r": "\r", "t": "\t"}
_START = re.compile(r"\s*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*", re.ASCII)
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'")
_PLAIN = re.compile(r"[^\n]*")
#: What may follow a quoted value.
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
_BLANK = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t\r]*(?:#[^\n]*\Z)?")


def dumps(values: Mapping[str, str]) -> str:
    """Encode; raises `ValueError` for a name or a value that no environment can hold."""
    lines = []
    for name in sorted(values):
        if not NAME.fullmatch(name):
            raise ValueError(f'"{name}" cannot be the name of a variable')
        if "\0" in values[name]:
            raise ValueError(f'the value of "{name}" has a NUL character')
        lines.append(f"{name}={_quoted(values[name])}\n")
    return "".join(lines)


def _quoted(value: str) -> str:
    if not value or _BARE.fullmatch(value):
        return value
    if not any(ch in value for ch in "'\n\r"):
        return f"'{value}'"
    return '"' + "".join(_ESCAPED.get(ch, ch) for ch in value) + '"'


def loads(text: str) -> dict[str, str]:
    """Decode; of a repeated name the last counts. Raises `ValueError` with the line, never with a value."""
    text = text.replace("\r\n", "\n")
    values: dict[str, str] = {}
    at = 0
    while True:
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
        if at >= len(text):
            return values
        start = _START.match(text, at)
        if start is None:
            raise ValueError(f"line {_line(text, at)}: expected NAME=value")
        value, at = _value(text, start.end())
        values[start[1]] = value


def _value(text: str, at: int) -> tuple[str, int]:
    quote = text[at : at + 1]
    if quote not in ('"', "'") or not quote:
        plain = _PLAIN.match(text, at)
        assert plain is not None
        return re.split(r"(?:^|[ \t])#", plain[0], maxsplit=1)[0].strip(), plain.end()
    found = (_DOUBLE if quote == '"' else _SINGLE).match(text, at)
    if found is None:
        raise ValueError(f"line {_line(text, at)}: the quote is not closed")
    rest = _REST.match(text, found.end())
    if rest is None:
        raise ValueError(f"line {_line(text, found.end())}: something follows the closing quote")
    value = found[1]
    if quote == '"':
        value = re.sub(r"\\(.)", lambda m: _MEANT.get(m[1], m[1]), value, flags=re.DOTALL)
    return value, rest.end()


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
