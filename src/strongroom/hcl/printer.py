"""The formatter behind `policy fmt`: HCL1's canonical layout, comments kept, meaning unchanged.

Two spaces a level; a blank line around everything that takes several lines; `=` and trailing comments aligned over
assignments on adjacent lines of a block. Texts, numbers and heredocs are printed as written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from strongroom.hcl.parse import SCALARS, parse
from strongroom.hcl.scan import Scanner, Token

INDENT = "  "


def format(text: str) -> str:  # noqa: A001 (the name users of `policy fmt` know)
    """The text in canonical layout, ending in one newline; JSON comes back as it is. Raises `HCLError`."""
    parse(text)
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return text
    lines = _Reader(Scanner(text).tokens()).entries("EOF")
    return "\n".join(_layout(lines, top=True)) + "\n" if lines else ""


@dataclass(slots=True)
class _Entry:
    """An item, a list element or (without `head` and `value`) comments that stand alone."""

    lead: list[str] = field(default_factory=list)
    head: str = ""  # the keys as written
    assigned: bool = False
    value: list[str] = field(default_factory=list)  # lines, the further ones indented relative to the item
    trail: str = ""  # the comment behind it on its last line
    line: int = 0
    end_line: int = 0
    empty_block: bool = False

    @property
    def one_line(self) -> bool:
        return len(self.value) == 1 and bool(self.head) and self.assigned


# Lines of heredocs must keep their place: they carry this mark, and are never indented.
_FIXED = "\0"


class _Reader:
    """Reads tokens (of a text that parses) into entries. Comments in odd places go to the item they stand in."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._stray: list[str] = []  # comments met inside an item

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _take_code(self) -> Token:
        while (token := self._take()).kind == "COMMENT":
            self._stray += _comment(token)
        return token

    def entries(self, end: str) -> list[_Entry]:
        """The items up to the `end` token, which is taken."""
        out: list[_Entry] = []
        comments: list[Token] = []
        while True:
            token = self._tokens[self._next]
            if token.kind == "COMMENT":
                self._next += 1
                if out and not comments and out[-1].value and token.line == out[-1].end_line and not out[-1].trail:
                    self._behind(out[-1], token)
                else:
                    comments.append(token)
            elif token.kind == "COMMA":
                self._next += 1
            elif token.kind == end:
                self._next += 1
                out += _standing(comments)
                return out
            else:
                lead = _take_lead(comments, token.line)
                out += _standing(comments)
                comments = []
                out.append(self._entry(lead, token, end))

    def _behind(self, entry: _Entry, token: Token) -> None:
        lines = _comment(token)
        if len(lines) == 1:
            entry.trail = lines[0]
        else:
            entry.lead += lines

    def _entry(self, lead: list[str], first: Token, end: str) -> _Entry:
        entry = _Entry(lead, line=first.line)
        outer, self._stray = self._stray, []
        if end == "RBRACK":
            entry.value, last = self._value(self._take_code())
        else:
            keys = []
            while (token := self._take_code()).kind in ("IDENT", "STRING"):
                keys.append(token.text)
            entry.head = " ".join(keys)
            entry.assigned = token.kind == "ASSIGN"
            entry.value, last = self._value(self._take_code() if entry.assigned else token)
            entry.empty_block = not entry.assigned and entry.value == ["{}"]
        entry.end_line = last.end_line
        entry.lead += self._stray
        self._stray = outer
        return entry

    def _value(self, token: Token) -> tuple[list[str], Token]:
        """The lines of a value, and its last token."""
        if token.kind in SCALARS:
            first, *rest = token.text.replace("\r\n", "\n").split("\n")
            return [first, *(_FIXED + line for line in rest)], token
        start = token
        if start.kind == "LBRACE":
            entries = self.entries("RBRACE")
            lines = ["{", *_indent(_layout(entries, top=False)), "}"] if entries else ["{}"]
        else:
            entries = self.entries("RBRACK")
            lines = _list(entries, self._tokens[self._next - 1].line == start.line)
        return lines, self._tokens[self._next - 1]


def _comment(token: Token) -> list[str]:
    return [line.rstrip() if i == 0 else _FIXED + line.rstrip() for i, line in enumerate(token.text.split("\n"))]


def _take_lead(comments: list[Token], line: int) -> list[str]:
    """Take off the comments that touch the item at `line` from above (or stand before it on its line)."""
    at = len(comments)
    while at and comments[at - 1].end_line >= line - 1:
        at -= 1
        line = comments[at].line
    lead, comments[at:] = comments[at:], []
    return [text for token in lead for text in _comment(token)]


def _standing(comments: list[Token]) -> list[_Entry]:
    """Comments that belong to no item, those on adjacent lines together."""
    out: list[_Entry] = []
    for token in comments:
        if out and token.line <= out[-1].end_line + 1:
            out[-1].lead += _comment(token)
            out[-1].end_line = token.end_line
        else:
            out.append(_Entry(_comment(token), line=token.line, end_line=token.end_line))
    return out


def _indent(lines: list[str]) -> list[str]:
    return [INDENT + line if line and not line.startswith(_FIXED) else line for line in lines]


def _list(entries: list[_Entry], one_line: bool) -> list[str]:
    """A list stays on one line if it was written so and nothing in it needs more."""
    simple = all(len(entry.value) == 1 and not entry.lead and not entry.trail for entry in entries)
    if (one_line and simple) or not entries:
        return ["[" + ", ".join(entry.value[0] for entry in entries) + "]"]
    lines: list[str] = []
    for entry in entries:
        lines += entry.lead
        if entry.value:
            # A heredoc's marker must stand alone, so its comma goes to the next line.
            heredoc = entry.value[-1].startswith(_FIXED)
            lines += entry.value if heredoc else [*entry.value[:-1], entry.value[-1] + ","]
            if heredoc:
                lines.append(",")
            if entry.trail:
                lines[-1] += " " + entry.trail
    return ["[", *_indent(lines), "]"]


def _layout(entries: list[_Entry], *, top: bool) -> list[str]:
    """The lines of a body: groups of adjacent one-line items, aligned, with blank lines between groups."""
    groups: list[list[_Entry]] = []
    for entry in entries:
        if groups and _together(groups[-1][-1], entry, top):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    lines: list[str] = []
    for group in groups:
        if lines:
            lines.append("")
        lines += _group(group)
    return [line.removeprefix(_FIXED) for line in lines] if top else lines


def _together(before: _Entry, entry: _Entry, top: bool) -> bool:
    near = entry.line <= before.end_line + 1 and not entry.lead
    if top:
        return near and before.empty_block and entry.empty_block
    return near and ((before.one_line and entry.one_line) or (before.empty_block and entry.empty_block))


def _group(group: list[_Entry]) -> list[str]:
    width = max(len(entry.head) for entry in group)
    texts: list[list[str]] = []
    for entry in group:
        first = f"{entry.head:<{width}} = " if entry.assigned else f"{entry.head} " if entry.head else ""
        texts.append([first + entry.value[0], *entry.value[1:]] if entry.value else [])
    trail = max((len(text[0]) for text in texts if text), default=0) if len(group) > 1 else 0
    lines: list[str] = []
    for entry, text in zip(group, texts, strict=True):
        lines += entry.lead + text
        if entry.trail:
            # Behind a heredoc's marker nothing may stand.
            if text[-1].startswith(_FIXED):
                lines[len(lines) - len(text) : len(lines) - len(text)] = [entry.trail]
            else:
                lines[-1] = f"{lines[-1]:<{trail}} {entry.trail}"
    return lines
