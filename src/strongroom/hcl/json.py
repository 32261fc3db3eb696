"""HCL1's JSON form: strict JSON (RFC 8259) whose repeated keys and order are kept, as a tree with positions."""

from __future__ import annotations

import re

from strongroom.errors import HCLError
from strongroom.hcl.scan import MAX_DEPTH, MAX_SIZE
from strongroom.hcl.tree import Body, Item, List, Literal, Scalar, Value

_BLANK = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"')
_ESCAPE = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\(.)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![\w.+-])")
_WORD = re.compile(r"(?:true|false|null)(?!\w)")
_SIMPLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None}


def parse(text: str, file: str = "") -> Body:
    """The tree of a JSON object. Raises `HCLError`."""
    return _Parser(text, file).document()


class _Parser:
    def __init__(self, text: str, file: str) -> None:
        if len(text) > MAX_SIZE:
            raise HCLError(f"the text is longer than {MAX_SIZE >> 20} MiB", file=file)
        self._text, self._file = text, file
        self._at = 1 if text.startswith("\ufeff") else 0
        self._line, self._line_start, self._counted = 1, 0, 0
        self._depth = 0

    def document(self) -> Body:
        body = self._value()
        if self._peek():
            raise self._error("nothing may follow the closing brace")
        if not isinstance(body, Body):
            raise self._error("expected an object")
        return body

    def _place(self) -> tuple[int, int]:
        """Line and column of the reading point; it only moves forward, so every newline is counted once."""
        newlines = self._text.count("\n", self._counted, self._at)
        if newlines:
            self._line += newlines
            self._line_start = self._text.rindex("\n", self._counted, self._at) + 1
        self._counted = self._at
        return self._line, self._at - self._line_start + 1

    def _error(self, message: str) -> HCLError:
        line, column = self._place()
        return HCLError(message, file=self._file, line=line, column=column)

    def _peek(self) -> str:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._text[self._at : self._at + 1]

    def _expect(self, chars: str) -> str:
        char = self._peek()
        if not char or char not in chars:
            wanted = " or ".join(f"'{c}'" for c in chars)
            raise self._error(f"expected {wanted}, got: {repr(char) if char else 'EOF'}")
        self._at += 1
        return char

    def _value(self) -> Value:
        char = self._peek()
        line, column = self._place()
        if char == "{":
            return self._object(line, column)
        if char == "[":
            return self._list(line, column)
        if char == '"':
            return Literal(self._string(), line, column)
        if word := _WORD.match(self._text, self._at):
            self._at = word.end()
            return Literal(_WORDS[word[0]], line, column)
        return Literal(self._number(), line, column)

    def _number(self) -> int | float:
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            char = self._peek()
            raise self._error(f"expected a value, got: {repr(char) if char else 'EOF'}")
        number: int | float
        if match[1] or match[2]:
            number = float(match[0])
            good = abs(number) != float("inf")
        else:
            number = int(match[0]) if len(match[0]) <= 20 else 1 << 63
            good = -(1 << 63) <= number < 1 << 63
        if not good:
            raise self._error(f"number out of range: {match[0][:40]}")
        self._at = match.end()
        return number

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            raise self._error(
                "expected a text in double quotes"
                if self._peek() != '"'
                else "literal not terminated, or with an illegal character"
            )
        raw = match[1]
        if "\\" in raw:
            raw = _ESCAPE.sub(self._unescape, raw)
        self._at = match.end()
        return raw

    def _unescape(self, match: re.Match[str]) -> str:
        if match[1]:
            return chr(0x10000 + ((int(match[1], 16) - 0xD800) << 10) + (int(match[2], 16) - 0xDC00))
        if match[3]:
            code = int(match[3], 16)
            if 0xD800 <= code <= 0xDFFF:
                raise self._error("half of a surrogate pair")
            return chr(code)
        return _SIMPLE.get(match[4], match[4])

    def _object(self, line: int, column: int) -> Body:
        self._deeper()
        items: list[Item] = []
        self._at += 1
        end = "}" if self._peek() == "}" else ","
        while end == ",":
            self._peek()
            at = self._place()
            key = self._string()
            self._expect(":")
            items.append(Item((key,), self._value(), True, *at))
            end = self._expect(",}")
        if not items:
            self._at += 1
        self._depth -= 1
        return Body(tuple(items), self._file, line, column)

    def _list(self, line: int, column: int) -> List:
        self._deeper()
        items: list[Value] = []
        self._at += 1
        end = "]" if self._peek() == "]" else ","
        while end == ",":
            items.append(self._value())
            end = self._expect(",]")
        if not items:
            self._at += 1
        self._depth -= 1
        return List(tuple(items), line, column)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH}")
