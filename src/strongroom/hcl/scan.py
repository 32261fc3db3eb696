"""Text → tokens, for the parser and the printer.

Kinds are HCL1's own names, as they stand in error messages: IDENT, STRING, HEREDOC, NUMBER, FLOAT, BOOL, ASSIGN,
LBRACE, RBRACE, LBRACK, RBRACK, COMMA, COMMENT, EOF.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from strongroom.errors import HCLError
from strongroom.hcl.tree import Scalar

MAX_SIZE = 16 << 20
MAX_DEPTH = 64

_PUNCTUATION = {"=": "ASSIGN", "{": "LBRACE", "}": "RBRACE", "[": "LBRACK", "]": "RBRACK", ",": "COMMA"}
_TOKEN = re.compile(
    r"""(?P<COMMENT>\#[^\n]*|//[^\n]*|/\*.*?\*/)
      | (?P<NUMBER>-?[0-9][\w.]*(?:(?<=[eE])[+-][0-9]+)?)
      | (?P<IDENT>[^\W\d][\w.\-]*)
      | (?P<STRING>"(?:[^"\\\n$]|\$(?!\{))*")
      | (?P<PUNCTUATION>[={}\[\],])
      | (?P<HEREDOC><<(?P<indented>-?)(?P<marker>\w+)\r?\n)""",
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:(?P<hex>0[xX][0-9a-fA-F]+)|(?P<octal>0[0-7]+)|(?P<decimal>0|[1-9][0-9]*))")
_FLOAT = re.compile(r"-?(?:[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)")
_SPECIAL = re.compile(r'["\\\n]|\$\{')
_BRACE = re.compile(r"[{}\\]")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_CODED = re.compile(r"x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})|(?P<o>[0-7]{3})")


class Token(NamedTuple):
    """A token: its kind, its text as written, its value (scalars), and where it begins and ends."""

    kind: str
    text: str
    value: Scalar
    line: int
    column: int
    end_line: int


class Scanner:
    """Cuts one text into tokens."""

    def __init__(self, text: str, file: str = "") -> None:
        self.file = file
        if len(text) > MAX_SIZE:
            raise HCLError(f"the text is longer than {MAX_SIZE >> 20} MiB", file=file)
        self._text = text
        self._line = 1
        self._line_start = 0  # offset of the first character of the current line
        self._at = 1 if text.startswith("\ufeff") else 0

    def error(self, message: str, token: Token, fix: str = "") -> HCLError:
        """An error at a token."""
        return HCLError(message, file=self.file, line=token.line, column=token.column, fix=fix)

    def _error(self, message: str, at: int, fix: str = "") -> HCLError:
        self._advance(at)
        return HCLError(message, file=self.file, line=self._line, column=at - self._line_start + 1, fix=fix)

    def tokens(self) -> list[Token]:
        """All tokens, comments included, and an EOF at the end."""
        out = []
        while True:
            token = self._next()
            out.append(token)
            if token.kind == "EOF":
                return out

    def _advance(self, end: int) -> None:
        newlines = self._text.count("\n", self._at, end)
        if newlines:
            self._line += newlines
            self._line_start = self._text.rindex("\n", self._at, end) + 1
        self._at = end

    def _next(self) -> Token:
        blank = _BLANK.match(self._text, self._at)
        self._advance(blank.end() if blank else self._at)
        line, column, at = self._line, self._at - self._line_start + 1, self._at
        if at >= len(self._text):
            return Token("EOF", "", None, line, column, line)
        match = _TOKEN.match(self._text, at)
        if match is None:
            kind, end, value = self._odd(at)
        elif match["HEREDOC"]:
            kind, (end, value) = "HEREDOC", self._heredoc(match)
        else:
            kind, end = match.lastgroup or "", match.end()
            value = match[0][1:-1] if kind == "STRING" else None
        text = self._text[at:end]
        if "\0" in text:
            raise self._error("unexpected null character (0x00)", at + text.index("\0"))
        if kind == "PUNCTUATION":
            kind = _PUNCTUATION[text]
        elif kind == "NUMBER":
            kind, value = self._number(text, at)
        elif kind == "IDENT" and text in ("true", "false"):
            kind, value = "BOOL", text == "true"
        elif kind == "IDENT":
            value = text
        self._advance(end)
        return Token(kind, text, value, line, column, self._line)

    def _odd(self, at: int) -> tuple[str, int, Scalar]:
        if self._text[at] == '"':
            return ("STRING", *self._string(at))
        if self._text.startswith("/*", at):
            raise self._error("comment not terminated", at, 'Close it with "*/"')
        if self._text.startswith("<<", at):
            raise self._error(
                "invalid heredoc", at, "Write <<NAME at the end of a line, and NAME alone on the last one"
            )
        raise self._error("illegal char", at)

    def _number(self, text: str, at: int) -> tuple[str, Scalar]:
        if match := _NUMBER.fullmatch(text):
            # 20 digits are beyond 64 bits in every base that counts here
            sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text)
            base = 16 if match["hex"] else 8 if match["octal"] else 10
            number = sign * int(digits, base) if len(digits) <= 24 else 1 << 63
            if not -(1 << 63) <= number < 1 << 63:
                raise self._error(f"number out of range: {text[:40]}", at)
            return "NUMBER", number
        if _FLOAT.fullmatch(text):
            value = float(text)
            if value in (float("inf"), float("-inf")):
                raise self._error(f"number out of range: {text[:40]}", at)
            return "FLOAT", value
        raise self._error(f"invalid number {text[:40]!r}", at, f'If it is a text, quote it: "{text[:40]}"')

    def _string(self, at: int) -> tuple[int, str]:
        """The end and the value of the string at `at`: escapes resolved, `${...}` kept as written."""
        parts, here, text = [], at + 1, self._text
        while True:
            match = _SPECIAL.search(text, here)
            if match is None or match[0] == "\n":
                raise self._error("literal not terminated", at, 'Close the text with "')
            parts.append(text[here : match.start()])
            here = match.end()
            if match[0] == '"':
                return here, "".join(parts)
            if match[0] == "\\":
                here, char = self._escape(here)
                parts.append(char)
            else:
                here = self._interpolation(at, here)
                parts.append(text[match.start() : here])

    def _interpolation(self, start: int, here: int) -> int:
        depth = 1
        while depth:
            match = _BRACE.search(self._text, here)
            if match is None:
                raise self._error("literal not terminated", start, "Close ${ with }")
            here = match.end()
            if match[0] == "\\":
                here += 1
            else:
                depth += 1 if match[0] == "{" else -1
        return here

    def _escape(self, here: int) -> tuple[int, str]:
        char = _SIMPLE.get(self._text[here : here + 1])
        if char is not None:
            return here + 1, char
        match = _CODED.match(self._text, here)
        if match is None:
            raise self._error("illegal char escape", here - 1, r"Write \\ for a backslash")
        form = match.lastgroup or ""
        code = int(match[form], 8 if form == "o" else 16)
        # \x and octal stand for bytes in HCL: above 0x7f a single one is not UTF-8.
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF or (code > 0x7F and form in "xo"):
            raise self._error("illegal char escape", here - 1, r"Write the character itself, or its code as \u0000")
        return match.end(), chr(code)

    def _heredoc(self, match: re.Match[str]) -> tuple[int, str]:
        """The end and the value of a heredoc: whole lines up to the marker's own line.

        With `<<-` the marker's indentation is taken off every line, if every line has it.
        """
        close = re.compile(rf"^(?P<indent>[ \t]*){re.escape(match['marker'])}(?=\r?$)", re.MULTILINE)
        end = close.search(self._text, match.end())
        if end is None:
            raise self._error(
                "heredoc not terminated", match.start(), f"Write {match['marker']} alone on the line after the text"
            )
        body = self._text[match.end() : end.start()]
        indent = end["indent"]
        lines = body.split("\n")[:-1]
        if match["indented"] and indent and all(line.startswith(indent) for line in lines):
            body = "".join(line[len(indent) :] + "\n" for line in lines)
        return end.end(), body
