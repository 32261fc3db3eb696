"""The headers that the user interface's pages are sent with, beside or in place of its own.

core/config/ui-headers    HeadersEntry, JSON: v (1), headers: canonical name → values
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction

KEY: Final = "core/config/ui-headers"


class HeadersEntry(msgspec.Struct, frozen=True):
    """What is stored."""

    headers: dict[str, tuple[str, ...]] = {}
    v: int = 1


class UIHeaders:
    """The headers in force. A change is written in a request's transaction, then made known by `apply`."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._entry = HeadersEntry()

    async def load(self) -> None:
        """Read what is stored."""
        self.apply(await self._live.transaction().load(KEY, HeadersEntry) or HeadersEntry())

    @property
    def all(self) -> Mapping[str, Sequence[str]]:
        """Every header, by its canonical name."""
        return self._entry.headers

    def get(self, name: str) -> Sequence[str]:
        """The values of a header, in any case; none when it is not set."""
        return self._entry.headers.get(canonical(name), ())

    def store(self, tx: Transaction, name: str, values: Sequence[str]) -> HeadersEntry:
        """Set a header; without values it is no longer set. `apply` what this returns once that is durable."""
        headers = {k: v for k, v in self._entry.headers.items() if k != canonical(name)}
        if values:
            headers[canonical(name)] = tuple(values)
        entry = HeadersEntry(dict(sorted(headers.items())))
        tx.store(KEY, entry)
        return entry

    def apply(self, entry: HeadersEntry) -> None:
        """Send these from now on."""
        self._entry = entry


def canonical(name: str) -> str:
    """A header's name with capitals at the beginning of its words."""
    return "-".join(part.capitalize() for part in name.split("-"))
