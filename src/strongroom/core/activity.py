"""Who uses the server: its clients, counted by month.

A client is an entity or, of tokens without one, all that have the same policies, as Vault counts them. It counts once a
month, at the auth method that its first token of that month came from. Root tokens and wrapping tokens do not count.

    sys/counters/activity/config                 JSON of ActivityConfig
    sys/counters/activity/client/e<entity id>    JSON of Client
    sys/counters/activity/client/t<digest>       the same; SHA-256 of the policies' names, base64 for URLs

A request pays for one look into a set. What is new is gathered and written every few seconds: a crash may lose that,
and a client that comes again after it is counted then. The set may forget, since writing looks at what is stored.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from strongroom.api.gathered import CHUNK
from strongroom.core.gatherer import Gatherer

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.core.token_model import TokenEntry

PREFIX: Final = "sys/counters/activity/"
CONFIG: Final = PREFIX + "config"
CLIENT: Final = PREFIX + "client/"
ENTITY: Final = "e"
TOKENS: Final = "t"

TASK: Final = "client counts"
FLUSH_SECONDS: Final = 10.0
#: How many clients are remembered as counted, and how many may wait to be written.
MOST_SEEN: Final = 200_000
MOST_PENDING: Final = 20_000


class ActivityConfig(msgspec.Struct, frozen=True):
    """What is counted and kept. `enabled` is one of SWITCH."""

    enabled: str = "default"
    default_report_months: int = 12
    retention_months: int = 24
    v: int = 1

    @property
    def counts(self) -> bool:
        """Whether clients are counted; they are unless somebody switched that off."""
        return self.enabled != "disable"


SWITCH: Final = ("default", "enable", "disable")


class Use(msgspec.Struct, frozen=True, array_like=True):
    """A client's first use of a month: the accessor of its token's mount, and when (Unix nanoseconds)."""

    accessor: str
    first_ns: int


class Client(msgspec.Struct, frozen=True):
    """A client by the months that it was active in, `2025-01`."""

    months: dict[str, Use]
    v: int = 1


class Everyone(Container[Any]):
    """Whoever it is has been counted: what stands for the set while nothing is counted."""

    def __contains__(self, who: object) -> bool:
        return True


def month_of(ns: int) -> str:
    """The month of a moment, in UTC."""
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m")


def months_from(month: str, count: int) -> str:
    """The month that is so many after another, or before it."""
    total = int(month[:4]) * 12 + int(month[5:]) - 1 + count
    return f"{max(total, 12) // 12:04d}-{max(total, 12) % 12 + 1:02d}"


def start_ns(month: str) -> int:
    """When a month begins."""
    return int(datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC).timestamp()) * 1_000_000_000


def client_of(token: TokenEntry) -> str:
    """What a token's client is stored as."""
    if token.entity_id:
        return ENTITY + token.entity_id
    digest = hashlib.sha256("\x00".join(token.policies).encode("utf-8", "surrogatepass")).digest()
    return TOKENS + base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Activity(Gatherer[tuple[str, str], Use]):
    """Counts the clients: notes the first use by each client and month."""

    def __init__(self, live: Live) -> None:
        super().__init__("clients' counts", lambda earlier, _: earlier, MOST_PENDING)
        self._live = live
        self.config = ActivityConfig()
        #: The entities, and the policies of tokens without one, that need no note this month any more.
        self.seen: Container[Any] = Everyone()
        self._seen: set[Any] = set()
        self._month = ""
        self._pruned = ""

    async def load(self) -> None:
        """Read the settings and begin to count."""
        self.config = await self._live.transaction().load(CONFIG, ActivityConfig) or self.config
        self._begin()
        self._live.tasks.every(TASK, FLUSH_SECONDS, self._work, jitter=0.0, first=FLUSH_SECONDS)

    async def stop(self) -> None:
        """Write what waits."""
        self.seen = Everyone()
        await super().stop()

    def apply(self, config: ActivityConfig) -> None:
        """Take over settings that are durable; what the current month had is gone when counting ends."""
        if self.config.counts and not config.counts:
            self._notes.forget(lambda _: True)
            self._live.tasks.spawn("forgetting this month's clients", lambda: self._forget(month_of(self._now())))
        self.config = config
        self._pruned = ""
        self._begin()

    def note(self, token: TokenEntry) -> None:
        """A token is used by a client that is not in `seen`."""
        if len(self._notes) >= MOST_PENDING:
            return  # storage does not keep up: it is noted when it comes again
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen.add(token.entity_id or token.policies)
        if token.root or token.wrapping:
            return
        now = self._now()
        mount = self._live.mounts.by_path(token.mount)
        use = Use(mount.entry.accessor if mount is not None else "", now)
        self._notes.add((client_of(token), month_of(now)), use)
        if len(self._notes) == MOST_PENDING // 2:
            self._live.tasks.wake(TASK)

    async def _write(self, notes: Mapping[tuple[str, str], Use]) -> None:
        tx = self._live.transaction()
        for (client, month), use in list(notes.items()):  # some may be forgotten meanwhile
            known = await tx.load(CLIENT + client, Client) or Client({})
            if month not in known.months:
                tx.store(CLIENT + client, Client({**known.months, month: use}))
        await tx.commit()

    def _now(self) -> int:
        return self._live.clock.now_ns()

    def _begin(self) -> None:
        self._month = month_of(self._now())
        self._seen.clear()
        self.seen = self._seen if self.config.counts else Everyone()

    async def _work(self) -> float:
        """Write, begin a new month when it is there, and drop what is too old; returns the seconds until next time."""
        now = self._now()
        if month_of(now) != self._month:
            self._begin()
        await self.flush()
        oldest = months_from(self._month, -self.config.retention_months)
        if self._pruned != oldest:
            await self._rewrite(lambda month: month >= oldest)
            self._pruned = oldest
        # Punctual at the turn of the month: until then a client of the old one counts as seen.
        return min(FLUSH_SECONDS, (start_ns(months_from(self._month, 1)) - now) / 1e9)

    async def _forget(self, gone: str) -> None:
        await self._rewrite(lambda month: month != gone)

    async def _rewrite(self, keep: Callable[[str], bool]) -> None:
        """Drop months from all clients, a part of them in each commit."""
        changed: list[str] = []
        async for key, value in self._live.barrier.scan(CLIENT):
            if not all(map(keep, decode_client(value).months)):
                changed.append(key)
                if len(changed) >= CHUNK:
                    await self._drop(changed, keep)
                    changed.clear()
        await self._drop(changed, keep)

    async def _drop(self, keys: list[str], keep: Callable[[str], bool]) -> None:
        async with self._writing:
            tx = self._live.transaction()
            for key in keys:
                client = await tx.load(key, Client)
                if client is None:
                    continue
                if left := {month: use for month, use in client.months.items() if keep(month)}:
                    tx.store(key, replace(client, months=left))
                else:
                    tx.delete(key)
            await tx.commit()


decode_client: Final = msgspec.json.Decoder(Client).decode
