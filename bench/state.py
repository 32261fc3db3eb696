"""Filling a server's storage from inside, entry for entry as a server would have written it, but many at once."""

from __future__ import annotations

import base64
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from bench import outside
from strongroom.app.compose import build_core
from strongroom.config import load
from strongroom.core.core import Core
from strongroom.core.live import Live
from strongroom.storage.base import Batch

T = TypeVar("T")

#: Rows in one commit. They are written in the order of their keys, for a tree that is filled in any other order is
#: written many times over.
ROWS = 50_000


@dataclass
class Rows:
    """Takes writes as a transaction does, and keeps them. What it has not been given does not exist."""

    values: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, value: bytes) -> None:
        self.values[key] = value

    def store(self, key: str, value: Any) -> None:
        self.values[key] = msgspec.json.encode(value)

    def delete(self, key: str) -> None:
        self.values.pop(key, None)

    async def load(self, key: str, kind: type[T]) -> T | None:
        value = self.values.get(key)
        return msgspec.json.decode(value, type=kind) if value is not None else None

    async def write(self, live: Live) -> None:
        """Commit what was added."""
        for part in _parts(self.values):
            await live.barrier.commit(Batch(part))
        self.values.clear()


def _parts(values: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    keys = sorted(values)
    for at in range(0, len(keys), ROWS):
        yield {key: values[key] for key in keys[at : at + ROWS]}


async def opened(folder: pathlib.Path, key: str) -> Core:
    """The inside of the server whose storage is there, unsealed."""
    outside.install()
    config, _ = load([folder / "config.hcl"])
    core = build_core(config)
    await core.seal.unseal(base64.b64decode(key))
    return core
