"""What is known of the clients over a range of months, in one pass over them and in memory for the sums alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strongroom.core.activity import CLIENT, ENTITY, Use, decode_client, months_from

if TYPE_CHECKING:
    from strongroom.storage.barrier import Barrier


@dataclass(slots=True)
class Tally:
    """Clients of each mount, by the mount's accessor: entities, and others."""

    by_accessor: dict[str, list[int]] = field(default_factory=dict)

    def add(self, accessor: str, *, entity: bool) -> None:
        """One more."""
        self.by_accessor.setdefault(accessor, [0, 0])[0 if entity else 1] += 1

    @property
    def total(self) -> tuple[int, int]:
        """Entities, and others, of all mounts."""
        counts = self.by_accessor.values()
        return sum(count[0] for count in counts), sum(count[1] for count in counts)


@dataclass(slots=True)
class Month:
    """One month's clients, and those of them that no earlier month of the report had."""

    all: Tally = field(default_factory=Tally)
    new: Tally = field(default_factory=Tally)


@dataclass(slots=True)
class Report:
    """The clients of a range of months, each counted once, at the mount of its first month; and month by month."""

    total: Tally = field(default_factory=Tally)
    months: dict[str, Month] = field(default_factory=dict)


async def clients(barrier: Barrier, first: str, last: str) -> AsyncGenerator[tuple[str, list[tuple[str, Use]]], None]:
    """Those active in a range of months, with their uses in it by month, the first one first."""
    async for key, value in barrier.scan(CLIENT):
        months = decode_client(value).months
        if uses := sorted((month, use) for month, use in months.items() if first <= month <= last):
            yield key[len(CLIENT) :], uses


async def report(barrier: Barrier, first: str, last: str) -> Report:
    """Count over a range of months, both included."""
    result = Report()
    async for client, uses in clients(barrier, first, last):
        entity = client.startswith(ENTITY)
        begin, origin = uses[0]
        result.total.add(origin.accessor, entity=entity)
        for name, use in uses:
            month = result.months.setdefault(name, Month())
            month.all.add(use.accessor, entity=entity)
            if name == begin:
                month.new.add(use.accessor, entity=entity)
    return result


async def any_before(barrier: Barrier, month: str) -> bool:
    """Whether there is a month to report on before this one."""
    async with aclosing(clients(barrier, "", months_from(month, -1))) as found:
        async for _ in found:
            return True
    return False
