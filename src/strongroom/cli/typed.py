"""A command line as it stands in a shell, quotes and all: its words, and how to write one more into it."""

from __future__ import annotations

import re
from typing import NamedTuple

#: What a shell takes as it is.
_PLAIN = re.compile(r"[\w./:@%+,=-]")
#: Breaks that bash leaves to the word behind them.
_STAYS = "@$"
_ESCAPED_BETWEEN_DOUBLE = '"\\$`'


class Typed(NamedTuple):
    """The words up to the cursor, without their quotes; the last one is being typed and may be "".

    `quote` is the quotation mark that is still open in it. `kept` is how much of it a shell leaves alone that replaces
    only what stands behind its last break.
    """

    words: list[str]
    quote: str
    kept: int


def read_line(line: str, breaks: str = "") -> Typed:
    """Split a line as shells do, without expanding anything. `breaks` are the characters of `kept`."""
    words: list[str] = []
    text: str | None = None
    quote, opened, kept = "", 0, 0
    rest = iter(line)
    for char in rest:
        if quote and char == quote:
            quote = ""
        elif char == "\\" and quote != "'":
            after = next(rest, "")
            literal = quote and after not in _ESCAPED_BETWEEN_DOUBLE
            text = (text or "") + (char + after if literal else after)
        elif quote:
            text = (text or "") + char
        elif char in "'\"":
            text, quote = text or "", char
            opened = len(text)
        elif char.isspace():
            if text is not None:
                words.append(text)
            text, kept = None, 0
        else:
            text = (text or "") + char
            if char in breaks:
                kept = len(text) - (char in _STAYS)
    return Typed([*words, text or ""], quote, opened if quote else kept)


def written(text: str, quote: str = "") -> str | None:
    """A text as one types it, behind an open quotation mark or none. None if it cannot be typed."""
    if not text.isprintable():
        return None
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote:
        # Between these nothing keeps bash from putting a former command in the place of `!`.
        return None if "!" in text else re.sub(r'[\\"$`]', r"\\\g<0>", text)
    return "".join(char if _PLAIN.fullmatch(char) or not char.isascii() else f"\\{char}" for char in text)
