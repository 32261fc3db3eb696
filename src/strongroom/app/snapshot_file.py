"""What is in a snapshot's file, without a server and without keys: names and sizes; the contents are encrypted."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from strongroom.core.snapshot import CHUNK, Reader


class Part(NamedTuple):
    """The entries whose key begins with `name`."""

    name: str
    entries: int
    size: int


class Inspected(NamedTuple):
    """A snapshot that is whole: its parts, the largest first."""

    entries: int
    size: int
    parts: list[Part]


def inspect(path: str, depth: int) -> Inspected:
    """Read a snapshot; keys are told apart by their first `depth` segments.

    Raises:
        OSError: the file cannot be read.
        BadRequest: it is no snapshot, cut short or changed.
    """
    reader = Reader()
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            reader.feed(chunk)
    found: dict[str, tuple[int, int]] = {}
    for key, value in reader.finish().items():
        name = "/".join(key.split("/")[:depth])
        count, size = found.get(name, (0, 0))
        found[name] = count + 1, size + len(key.encode()) + len(value)
    parts = [Part(name, *numbers) for name, numbers in found.items()]
    parts.sort(key=lambda part: (-part.size, part.name))
    return Inspected(sum(part.entries for part in parts), sum(part.size for part in parts), parts)
