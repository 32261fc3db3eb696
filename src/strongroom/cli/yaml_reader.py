"""Reads YAML as people write it for secrets: mappings, lists, scalars, quoted and block texts, comments, JSON inside.

Anchors, aliases, tags, merge keys, complex keys other than a quoted text, several documents and flow collections that
are not JSON are refused by name rather than misread.
"""

from __future__ import annotations

import re
import sys
from typing import Any, NamedTuple

from strongroom.client import jsontext

_KEY = re.compile(
    r"""(?P<double>"(?:[^"\\]|\\.)*")\s*:(?=\s|$) | (?P<single>'(?:[^']|'')*')\s*:(?=\s|$)
      | (?P<plain>(?:[^\s\-?:,\[\]{}#&*!|>'"%@`]|-(?=\S))(?:[^:#]|:(?=\S)|(?<=\S)\#)*?)\s*:(?=\s|$)""",
    re.VERBOSE | re.ASCII,
)
_BLOCK = re.compile(r"([|>])([+-]?)([1-9]?)([+-]?)\s*(?:\s#.*)?")
_DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"')
_SINGLE = re.compile(r"'(?:[^']|'')*'")
_ESCAPES = dict(zip('0abt\tnvfre "/\\N_LP', '\0\a\b\t\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029', strict=True))
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_WORDS = {"null": None, "~": None, "true": True, "false": False}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_REFUSED = {"&": "anchors", "*": "aliases", "!": "tags", "%": "directives", "@": '"@" before a text', "`": "backquotes"}
_DEEPEST = 100


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def loads(text: str) -> Any:
    """Decode; raises `ValueError` with the line, never with a value."""
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._raw = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
        self._at = 0
        self._depth = 0
        for number, line in enumerate(self._raw, 1):
            # What YAML 1.1 takes for the end of a line, and hardly anybody else does.
            if any(ch in line for ch in "\r\x85\u2028\u2029"):
                raise ValueError(f"line {number}: an unusual end of a line; write it as an escape in double quotes")

    def document(self) -> Any:
        line = self._peek()
        if line is not None and line.text == "---" and line.indent == 0:
            self._at += 1
            line = self._peek()
        if line is None:
            return None
        value = self._node(line.indent)
        rest = self._peek()
        if rest is not None and rest.text != "...":
            raise self._refused(rest, "expected the end of the document" if rest.text != "---" else "only one document")
        return value

    # -- Lines ---------------------------------------------------------------------------------------------------------

    def _peek(self) -> _Line | None:
        """The next line that says something."""
        while self._at < len(self._raw):
            raw = self._raw[self._at]
            text = raw.lstrip(" ")
            if text.strip(" \t") and not text.lstrip("\t").startswith("#"):
                line = _Line(self._at + 1, len(raw) - len(text), text.rstrip(" \t"))
                if text[0] == "\t":
                    raise self._refused(line, "a tab cannot indent")
                return line
            self._at += 1
        return None

    @staticmethod
    def _refused(line: _Line, why: str) -> ValueError:
        return ValueError(f"line {line.number}: {why}")

    # -- Nodes ---------------------------------------------------------------------------------------------------------

    def _node(self, indent: int) -> Any:
        """What begins at the next line, which is indented by `indent`."""
        self._depth += 1
        line = self._peek()
        assert line is not None
        if self._depth > _DEEPEST:
            raise self._refused(line, "nested too deeply")
        try:
            if line.text == "-" or line.text.startswith("- "):
                return self._sequence(indent)
            if _is_collection(line.text):
                return self._mapping(indent)
            self._at += 1
            return self._scalar(line, line.text, indent)
        finally:
            self._depth -= 1

    def _sequence(self, indent: int) -> list[Any]:
        items: list[Any] = []
        while (line := self._peek()) is not None and line.indent == indent:
            if line.text != "-" and not line.text.startswith("- "):
                break
            rest = line.text[1:].lstrip(" ")
            if not rest or rest.startswith("#"):
                self._at += 1
                items.append(self._below(indent, sequences=False))
                continue
            # What stands beside the dash is a node that begins there.
            inner = indent + len(line.text) - len(rest)
            if _is_collection(rest):
                self._raw[self._at] = " " * inner + rest
                items.append(self._node(inner))
            else:
                self._at += 1
                items.append(self._scalar(line, rest, indent))
        self._check_left(line, indent)
        return items

    def _mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while (line := self._peek()) is not None and line.indent == indent:
            if indent == 0 and line.text in ("...", "---"):
                break
            key, rest = self._key(line)
            if key in found:
                raise self._refused(line, "a key that is there already")
            self._at += 1
            if not rest or rest.startswith("#"):
                found[key] = self._below(indent, sequences=True)
            else:
                found[key] = self._scalar(line, rest, indent)
        self._check_left(line, indent)
        return found

    def _check_left(self, line: _Line | None, indent: int) -> None:
        if line is not None and line.indent > indent:
            raise self._refused(line, "indented more than what it belongs to")

    def _key(self, line: _Line) -> tuple[str, str]:
        """A key, and what follows its colon."""
        if line.text.startswith("? "):  # a long key, on a line of its own
            key = self._quoted_or_plain(line, line.text[2:].strip(" \t"))
            self._at += 1
            after = self._peek()
            if after is None or after.indent != line.indent or not (after.text == ":" or after.text.startswith(": ")):
                raise self._refused(line, "a key without its value")
            rest = after.text[1:].lstrip(" \t")
            if not _is_collection(rest):
                return key, rest
            # A list or mapping that begins beside the colon: as if it stood on a line of its own.
            self._raw[self._at] = " " * (line.indent + len(after.text) - len(rest)) + rest
            self._at -= 1
            return key, ""
        found = _KEY.match(line.text)
        if found is None:
            raise self._refused(line, "expected a key and a colon")
        if found["plain"] is not None:
            if found["plain"] == "<<":
                raise self._refused(line, "merge keys are not read here")
            key = found["plain"]
        else:
            key = self._quoted_or_plain(line, found["double"] or found["single"])
        return key, line.text[found.end() :].lstrip(" \t")

    def _quoted_or_plain(self, line: _Line, text: str) -> str:
        if text[:1] == '"':
            return self._double(line, text)
        if text[:1] == "'":
            return text[1:-1].replace("''", "'")
        return text

    def _below(self, indent: int, *, sequences: bool) -> Any:
        """The value that stands on the lines after its key or dash; null when there is none."""
        line = self._peek()
        if line is None:
            return None
        dash = line.text == "-" or line.text.startswith("- ")
        if line.indent > indent or (sequences and dash and line.indent == indent):
            return self._node(line.indent)
        return None

    # -- Scalars -------------------------------------------------------------------------------------------------------

    def _scalar(self, line: _Line, text: str, indent: int) -> Any:
        first = text[0]
        if text in ("-", "?") or text.startswith(("- ", "? ")):
            raise self._refused(line, "a list or a mapping begins on a line of its own")
        if first in "|>":
            return self._block(line, text, indent)
        if first in _REFUSED:
            raise self._refused(line, f"{_REFUSED[first]} are not read here")
        if first in "[{":
            return self._flow(line, text)
        if first in "\"'":
            found = (_DOUBLE if first == '"' else _SINGLE).match(text)
            if found is None:
                raise self._refused(line, "the quote is not closed on its line")
            rest = text[found.end() :].strip(" \t")
            if rest and not rest.startswith("#"):
                raise self._refused(line, "something follows the closing quote")
            return self._double(line, found[0]) if first == '"' else found[0][1:-1].replace("''", "'")
        plain = re.split(r"[ \t]#", text, maxsplit=1)[0].rstrip(" \t")
        if re.search(r":(?:[ \t]|$)", plain):
            raise self._refused(line, "a colon inside a text needs quotes")
        after = self._peek()
        if after is not None and after.indent > indent and after.number > line.number:
            raise self._refused(after, "a text over several lines needs | or >")
        return _meaning(plain)

    def _flow(self, line: _Line, text: str) -> Any:
        try:
            return jsontext.loads(re.sub(r"(?<=[\]}])\s+#.*$", "", text))
        except ValueError:
            raise self._refused(line, "a list or mapping on one line must be JSON") from None

    def _double(self, line: _Line, text: str) -> str:
        def meant(found: re.Match[str]) -> str:
            if digits := found[1] or found[2] or found[3]:
                code = int(digits, 16)
                if code <= sys.maxunicode:
                    return chr(code)
            elif found[4] in _ESCAPES:
                return _ESCAPES[found[4]]
            raise self._refused(line, "an escape that is none")

        found = _ESCAPE.sub(meant, text[1:-1])
        # Halves of a pair, as JSON writes what lies beyond the first plane.
        try:
            return found.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            return found

    def _block(self, line: _Line, text: str, indent: int) -> str:
        header = _BLOCK.fullmatch(text)
        if header is None or (header[2] and header[4]):
            raise self._refused(line, "a block text begins with | or > alone")
        chomp = header[2] or header[4]
        wanted = indent + int(header[3]) if header[3] else 0
        lines: list[str] = []
        while self._at < len(self._raw):
            raw = self._raw[self._at]
            depth = len(raw) - len(raw.lstrip(" "))
            if raw.strip(" "):
                if not wanted and depth > indent:
                    wanted = depth
                if depth < max(wanted, indent + 1):
                    break
            lines.append(raw[wanted:] if wanted else "")
            self._at += 1
        body = "\n".join(lines)
        content = body.rstrip("\n")
        if header[1] == ">":
            content = _folded(content.split("\n"))
        # The last line ends in a break that the split took away, unless the file ends there.
        more = 1 if self._at < len(self._raw) else 0
        if not content:
            return "\n" * (len(lines) - 1 + more) if chomp == "+" else ""
        ends = len(body) - len(body.rstrip("\n")) + more
        return content + ("" if chomp == "-" else "\n" * ends if chomp == "+" else "\n" * min(ends, 1))


def _folded(lines: list[str]) -> str:
    """Lines of a `>` text joined: a break becomes a blank, but not beside lines that are indented further."""
    text, before, breaks = "", "", 0
    for line in lines:
        if not line:
            breaks += 1
            continue
        if not before:
            joint = "\n" * breaks
        elif line[0] in " \t" or before[0] in " \t":
            joint = "\n" * (breaks + 1)
        else:
            joint = "\n" * breaks or " "
        text, before, breaks = f"{text}{joint}{line}", line, 0
    return text


def _is_collection(text: str) -> bool:
    """Does a list or a mapping begin here?"""
    return text in ("-", "?") or text.startswith(("- ", "? ")) or _KEY.match(text) is not None


def _meaning(text: str) -> Any:
    """A plain scalar: null, truth values, JSON's numbers. All else is text, also `yes`, `010` and dates."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return jsontext.loads(text) if _NUMBER.fullmatch(text) else text
