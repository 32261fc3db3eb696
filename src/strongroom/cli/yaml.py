"""YAML that a YAML 1.1 reader takes back as it was: quotes wherever a plain word would mean another type."""

from __future__ import annotations

import re
from typing import Any

from strongroom.client import jsontext
from strongroom.client.jsontext import Number

#: Plain scalars that YAML 1.1 reads as something else than text: truth values, null, merge and value keys.
_WORDS = frozenset({"y", "yes", "n", "no", "on", "off", "true", "false", "null", "~", "<<", "="})
#: ... numbers (also octal, binary, base 60, with underscores) and times.
_NUMBERS = re.compile(
    r"""[-+]?(?:
        0b[0-1_]+ | 0x[0-9a-fA-F_]+ | 0o?[0-7_]+
      | [0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?
      | (?:[0-9][0-9_,]*)?(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?
      | \.inf | \.nan )
      | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\ \t].*)?""",
    re.VERBOSE | re.IGNORECASE,
)
#: What may stand without quotes: no indicator in front, nothing in the middle that begins a comment or a value.
_PLAIN = re.compile(
    r"[^\s\-?:,\[\]{}#&*!|>'\"%@`=<](?:[^:#\n]|:(?=\S)|(?<=\S)#)*|-(?=[^\s\-])(?:[^:#\n]|:(?=\S)|(?<=\S)#)*"
)
#: YAML's own line breaks, controls and halves of characters need escapes.
_SPECIAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
#: Longer keys must be announced by a question mark.
_LONGEST_KEY = 120


def dumps(value: Any) -> str:
    """Encode; ends with a newline."""
    lines: list[str] = []
    if isinstance(value, dict) and value:
        _mapping(value, lines, "")
    elif isinstance(value, list | tuple) and value:
        _sequence(value, lines, "")
    else:
        # Some readers take no block that is not indented, not even where nothing is around it.
        lines.append(_scalar(value, "  "))
    return "\n".join(lines) + "\n"


def _mapping(value: dict[str, Any], lines: list[str], indent: str) -> None:
    for key in sorted(value):
        name = _one_line(key)
        if len(name) > _LONGEST_KEY:
            lines.append(f"{indent}? {name}")
            name = ""
        _member(f"{indent}{name}:", value[key], lines, indent)


def _member(prefix: str, member: Any, lines: list[str], indent: str) -> None:
    if isinstance(member, dict) and member:
        lines.append(prefix)
        _mapping(member, lines, indent + "  ")
    elif isinstance(member, list | tuple) and member:
        lines.append(prefix)
        _sequence(member, lines, indent)
    else:
        lines.append(f"{prefix} {_scalar(member, indent + '  ')}")


def _sequence(value: list[Any] | tuple[Any, ...], lines: list[str], indent: str) -> None:
    for member in value:
        if isinstance(member, dict | list | tuple) and member:
            nested: list[str] = []
            if isinstance(member, dict):
                _mapping(member, nested, indent + "  ")
            else:
                _sequence(member, nested, indent + "  ")
            # The first line stands beside the dash.
            lines.append(f"{indent}- {nested[0][len(indent) + 2 :]}")
            lines += nested[1:]
        else:
            lines.append(f"{indent}- {_scalar(member, indent + '  ')}")


def _scalar(value: Any, indent: str) -> str:
    if isinstance(value, str) and not isinstance(value, Number):
        if "\n" in value and _literal(value):
            return _block(value, indent)
        return _one_line(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    return jsontext.dumps(value)


def _one_line(text: str) -> str:
    if _resolves(text) or "\n" in text or "\t" in text or _SPECIAL.search(text):
        return _double(text)
    if _PLAIN.fullmatch(text) and text == text.strip():
        return text
    return "'" + text.replace("'", "''") + "'"


def _resolves(text: str) -> bool:
    """Would it be read as something else than text?"""
    return not text or text.lower() in _WORDS or _NUMBERS.fullmatch(text) is not None


def _double(text: str) -> str:
    """JSON's quoting is YAML's, once the characters that YAML breaks lines at are escaped too."""
    return _SPECIAL.sub(lambda found: f"\\u{ord(found[0]):04x}", jsontext.text(text))


def _literal(text: str) -> bool:
    """May the text stand as a block? Not where leading blanks would be taken for indentation, nor with escapes."""
    return text[0] not in " \n\t" and bool(text.strip()) and not _SPECIAL.search(text) and "\t" not in text


def _block(text: str, indent: str) -> str:
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    chomp = "" if ends == 1 else "-" if ends == 0 else "+"
    inner = "\n".join(indent + line if line else "" for line in body.split("\n"))
    return f"|{chomp}\n{inner}" + "\n" * max(ends - 1, 0)
