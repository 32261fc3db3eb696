"""What goes back over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

HeaderList = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """A finished answer. An empty body sends none, a large one may be in parts; an iterator is sent chunk by chunk."""

    status: int
    headers: HeaderList = ()
    body: bytes | tuple[bytes, ...] | AsyncIterator[bytes] = b""


class Elsewhere(Exception):
    """The request ends at the edge with an answer that is not a JSON error: a redirect, or a status alone."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.status)
