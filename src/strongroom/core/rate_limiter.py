"""How often each client may come: the generic cell rate algorithm, one number a client.

A client may come `rate` times in `interval`, all at once if it likes; what it has used flows back evenly. The number
kept is the moment at which nothing of it will be used any more (the "theoretical arrival time" of ITU-T I.371).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NANO: Final = 1_000_000_000
#: Clients remembered by one limiter. Beyond it those that came first start anew: memory is bounded, whoever comes.
CLIENTS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass. `reset` and `wait` are seconds: to a full allowance, and to the next request."""

    allowed: bool
    limit: int
    remaining: int
    reset: float
    wait: float


class RateLimiter:
    """Counts the requests of clients. Times are nanoseconds of a clock that never steps back."""

    __slots__ = ("_arrivals", "_block", "_blocked", "_burst", "_clients", "_spacing", "_tolerance")

    def __init__(self, rate: float, interval: float, block: float = 0, clients: int = CLIENTS) -> None:
        """`rate` requests in `interval` seconds; who comes too often is shut out for `block` seconds."""
        self._spacing = max(round(interval * NANO / rate), 1)
        self._burst = max(int(rate), 1)
        self._tolerance = self._spacing * (self._burst - 1)
        self._block = round(block * NANO)
        self._clients = clients
        self._arrivals: dict[str, int] = {}
        self._blocked: dict[str, int] = {}

    def take(self, client: str, now: int) -> Verdict:
        """Judge a request of a client, and count it if it may pass."""
        until = self._blocked.get(client, 0) if self._blocked else 0
        arrival = max(self._arrivals.get(client, 0), now)
        if until <= now and arrival - now <= self._tolerance:
            if client not in self._arrivals:
                self._make_room(now)
            arrival += self._spacing
            self._arrivals[client] = arrival
            left = self._burst - -(-(arrival - now) // self._spacing)
            return Verdict(True, self._burst, left, (arrival - now) / NANO, 0)
        if until <= now and self._block:
            self._blocked[client] = until = now + self._block
        wait = max(until - now, arrival - now - self._tolerance)
        return Verdict(False, self._burst, 0, max(until, arrival) / NANO - now / NANO, wait / NANO)

    def _make_room(self, now: int) -> None:
        if len(self._arrivals) < self._clients:
            return
        for table in (self._arrivals, self._blocked):
            # Half is left at most, so that the work here is shared by as many newcomers.
            kept = [(client, at) for client, at in table.items() if at > now][-self._clients // 2 :]
            table.clear()
            table.update(kept)
