"""SQL statements as roles have them: taking lists apart, and filling in names without letting them become SQL.

A role's statements are a list of texts. Each is one or several statements with `;` in between, a JSON list of such
texts, or either of these in base64. A text in which the word END stands outside of quotes is not taken apart, for its
semicolons may belong to a block.

`{{name}}`, `{{username}}`, `{{password}}` and `{{expiration}}` are filled in. What a name or password may hold
depends on where the placeholder stands: between quotes, quotes are doubled; elsewhere only what cannot end a word is
let through. Other placeholders stay as they are.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import msgspec

from strongroom.databases.plugin import DatabaseError
from strongroom.memo import remember


class Place(Enum):
    """Where in a statement a piece of text stands."""

    CODE = auto()
    #: In quotes that a doubled quote stays within.
    QUOTED = auto()
    #: In quotes where a backslash counts too.
    ESCAPED = auto()
    #: In a dollar-quoted body.
    BODY = auto()
    COMMENT = auto()


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text in one place. `mark` is what its quotes are made of: a quote, or a whole `$tag$`."""

    place: Place
    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database writes strings and comments."""

    quotes: str
    #: Quotes in which a backslash always counts.
    backslash: str = ""
    dollars: bool = False
    hash_comments: bool = False
    nested_comments: bool = False


POSTGRESQL: Final = Dialect("'\"", dollars=True, nested_comments=True)
MYSQL: Final = Dialect("'\"`", backslash="'\"", hash_comments=True)

_DOLLAR: Final = re.compile(r"\$(?:[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff]*)?\$")
_PLACEHOLDER: Final = re.compile(r"\{\{(name|username|password|expiration)\}\}")
_END: Final = re.compile(r"\bEND\b", re.IGNORECASE)
_PLAIN: Final = re.compile(r"\w+(?:[.-]\w+)*", re.ASCII)
#: What stands between statements in one message; on a line of its own, for a comment may end the one before.
JOINT: Final = "\n;"
#: How many roles' statements are kept.
MOST_KNOWN: Final = 256
#: What no value may hold, wherever it stands.
_NEVER: Final = re.compile(r"[\0\r\n]")


def scan(sql: str, dialect: Dialect) -> Iterator[Piece]:
    """Take text apart by where its parts stand; together they are the text."""
    at = start = 0
    while at < len(sql):
        end, place, mark = _special(sql, at, dialect)
        if end == at:
            at += 1
            continue
        if start < at:
            yield Piece(Place.CODE, sql[start:at])
        yield Piece(place, sql[at:end], mark)
        at = start = end
    if start < at:
        yield Piece(Place.CODE, sql[start:at])


def _special(sql: str, at: int, dialect: Dialect) -> tuple[int, Place, str]:
    """The end of a string or comment that begins at `at`; `at` itself when none does."""
    char = sql[at]
    if char in dialect.quotes:
        escaped = char in dialect.backslash or (char == "'" and _is_escape_string(sql, at, dialect))
        return _string_end(sql, at, char, escaped), Place.ESCAPED if escaped else Place.QUOTED, char
    if char == "$" and dialect.dollars and not (at and (sql[at - 1].isalnum() or sql[at - 1] in "_$")):
        tag = _DOLLAR.match(sql, at)
        if tag:
            close = sql.find(tag[0], tag.end())
            return (len(sql) if close < 0 else close + len(tag[0])), Place.BODY, tag[0]
    if sql.startswith("--", at) or (char == "#" and dialect.hash_comments):
        newline = sql.find("\n", at)
        return (len(sql) if newline < 0 else newline + 1), Place.COMMENT, ""
    if sql.startswith("/*", at):
        return _comment_end(sql, at, dialect.nested_comments), Place.COMMENT, ""
    return at, Place.CODE, ""


def _is_escape_string(sql: str, at: int, dialect: Dialect) -> bool:
    """Whether this is PostgreSQL's E'...'."""
    if not dialect.dollars or not at or sql[at - 1] not in "eE":
        return False
    return at == 1 or not (sql[at - 2].isalnum() or sql[at - 2] in "_$")


def _string_end(sql: str, at: int, quote: str, escaped: bool) -> int:
    at += 1
    while at < len(sql):
        if escaped and sql[at] == "\\":
            at += 2
        elif sql[at] != quote:
            at += 1
        elif sql.startswith(quote, at + 1):
            at += 2
        else:
            return at + 1
    return len(sql)


def _comment_end(sql: str, at: int, nested: bool) -> int:
    depth, at = 1, at + 2
    while at < len(sql):
        if sql.startswith("*/", at):
            depth, at = depth - 1, at + 2
            if not depth:
                return at
        elif nested and sql.startswith("/*", at):
            depth, at = depth + 1, at + 2
        else:
            at += 1
    return len(sql)


def split(sql: str, dialect: Dialect) -> list[str]:
    """The statements of a text, without the semicolons and blanks around them; empty ones are left out."""
    pieces = list(scan(sql, dialect))
    if any(piece.place is Place.CODE and _END.search(piece.text) for piece in pieces):
        return [sql.strip()]
    statements = [""]
    solid = [False]  # whether there is more to it than comments
    for piece in pieces:
        if piece.place is not Place.CODE:
            statements[-1] += piece.text
            solid[-1] |= piece.place is not Place.COMMENT
            continue
        first, *rest = piece.text.split(";")
        statements[-1] += first
        solid[-1] |= bool(first.strip())
        statements += rest
        solid += [bool(text.strip()) for text in rest]
    return [text.strip() for text, counts in zip(statements, solid, strict=True) if counts]


def expand(texts: Sequence[str], dialect: Dialect) -> list[str]:
    """All statements of a role's list."""
    return [statement for text in texts for plain in _decoded(text) for statement in split(plain, dialect)]


def _decoded(text: str) -> list[str]:
    listed = _json_list(text)
    if listed is not None:
        return listed
    try:
        plain = binascii.a2b_base64(text.strip().encode("ascii"), strict_mode=True).decode()
    except ValueError:  # not base64, or not text in it
        return [text]
    if not plain or not plain.isprintable():
        return [text]
    listed = _json_list(plain)
    return [plain] if listed is None else listed


def _json_list(text: str) -> list[str] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, UnicodeError):
        return None


def fill(statement: str, values: Mapping[str, str], dialect: Dialect) -> str:
    """Fill in placeholders.

    Raises:
        DatabaseError: a value could become SQL where its placeholder stands.
    """
    if "{{" not in statement:
        return statement
    return "".join(_filled(piece, values, dialect) for piece in scan(statement, dialect))


_COPY = re.compile(r"\bcopy\b", re.IGNORECASE)


class Prepared:
    """A role's statements, taken apart once."""

    def __init__(self, texts: Sequence[str], dialect: Dialect) -> None:
        self.texts = expand(texts, dialect)
        self._dialect = dialect
        self._pieces = [tuple(scan(text, dialect)) if "{{" in text else () for text in self.texts]
        #: Whether they can be sent in one message: all in one, they come apart into the same again. What a COPY sends
        #: out may be taken before anybody has refused it, and then what follows it, the commit too, would be done.
        copies = any(_COPY.search(text) for text in self.texts)
        self.joinable = not copies and split(JOINT.join(self.texts), dialect) == self.texts

    def fill(self, values: Mapping[str, str]) -> list[str]:
        """The statements with their placeholders filled in; raises as `fill` does."""
        return [
            "".join(_filled(piece, values, self._dialect) for piece in pieces) if pieces else text
            for text, pieces in zip(self.texts, self._pieces, strict=True)
        ]


class Statements:
    """The statements of a database's roles, kept while it is open."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: dict[tuple[str, ...], Prepared] = {}

    def of(self, texts: Sequence[str]) -> Prepared:
        """A role's statements."""
        key = tuple(texts)
        found = self._known.get(key)
        if found is None:
            found = remember(self._known, key, Prepared(key, self._dialect), MOST_KNOWN)
        return found


def _filled(piece: Piece, values: Mapping[str, str], dialect: Dialect) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            return match[0]
        # The time is ours, and holds blanks and signs.
        return values[name] if name == "expiration" else _safe(name, values[name], piece, dialect)

    return _PLACEHOLDER.sub(value, piece.text)


def _safe(name: str, value: str, piece: Piece, dialect: Dialect) -> str:
    problem = DatabaseError(f"the {name} has characters that cannot be written safely where the statement has it")
    if _NEVER.search(value):
        raise problem
    if piece.place is Place.QUOTED:
        return value.replace(piece.mark, piece.mark * 2)
    if piece.place is Place.ESCAPED:
        return value.replace("\\", "\\\\").replace(piece.mark, piece.mark * 2)
    if piece.place is Place.BODY:
        # How the body quotes it, only who runs the body knows.
        if set(value) & set("'\"\\") or "$$" in value or piece.mark in value:
            raise problem
        return value
    if piece.place is Place.COMMENT:
        if "*/" in value or "/*" in value:
            raise problem
        return value
    if not _PLAIN.fullmatch(value):
        raise problem
    return value
