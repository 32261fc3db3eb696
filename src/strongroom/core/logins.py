"""`Logins`: when each role and each user of an auth method has logged in last.

    <the mount's storage>last-login/<role>    JSON of Login

It goes with the mount. A login pays for an entry of a dictionary; what is gathered is written every few seconds, and a
crash may lose that. A login counts once its token is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from strongroom.core.gatherer import Gatherer

if TYPE_CHECKING:
    from strongroom.api.messages import Auth
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount
    from strongroom.storage.transaction import Transaction

FOLDER: Final = "last-login/"
FLUSH_SECONDS: Final = 10.0
MOST_PENDING: Final = 50_000
#: Names that are longer than this are no role's.
MOST_CHARS: Final = 512


class Login(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last login: when (Unix nanoseconds), from where, as which entity; and how many there have been."""

    last_ns: int
    remote_address: str = ""
    entity_id: str = ""
    count: int = 1
    v: int = 1


def _joined(earlier: Login, later: Login) -> Login:
    return replace(later, count=earlier.count + later.count)


class Logins(Gatherer[tuple[str, str], Login]):
    """The last logins, by the mount's UUID and the role."""

    def __init__(self, live: Live) -> None:
        super().__init__("logins", _joined, MOST_PENDING)
        self._live = live

    async def load(self) -> None:
        """Begin to write."""
        self._live.tasks.every("last logins", FLUSH_SECONDS, self.flush, jitter=0.0, first=FLUSH_SECONDS)

    def note(self, mount: Mount, auth: Auth, remote_address: str) -> None:
        """Somebody has logged in."""
        role = auth.role
        if not role or len(role) > MOST_CHARS or "/" in role:
            return
        self._notes.add(
            (mount.entry.uuid, role), Login(self._live.clock.now_ns(), remote_address, auth.entity_id)
        )  # when storage does not keep up, later ones are noted

    async def of(self, tx: Transaction, mount: Mount, role: str) -> Login | None:
        """The last login of a role; None when there was none."""
        if not role or "/" in role:
            return None
        stored = await tx.load(f"{mount.prefix}{FOLDER}{role}", Login)
        noted = self._notes.get((mount.entry.uuid, role))
        if stored is None or noted is None:
            return stored or noted
        return _joined(stored, noted)

    async def roles(self, tx: Transaction, mount: Mount, after: str, limit: int) -> list[str]:
        """The names of the roles that have logged in, in order; at most `limit` that come after `after`."""
        stored = await tx.list(mount.prefix + FOLDER, after, limit)
        noted = {role for uuid, role in self._notes.pending() if uuid == mount.entry.uuid and role > after}
        return sorted({*stored, *noted})[:limit]

    async def forget(self, mount: Mount, role: str) -> None:
        """Forget a role's logins, durably."""
        uuid = mount.entry.uuid
        async with self._writing:
            self._notes.forget((uuid, role).__eq__)
            tx = self._live.transaction()
            tx.delete(f"{mount.prefix}{FOLDER}{role}")
            await tx.commit()

    async def _write(self, notes: Mapping[tuple[str, str], Login]) -> None:
        tx = self._live.transaction()
        for (uuid, role), login in notes.items():
            mount = self._live.mounts.by_uuid(uuid)
            if mount is None:
                continue  # unmounted meanwhile: nobody would ever remove it
            key = f"{mount.prefix}{FOLDER}{role}"
            known = await tx.load(key, Login)
            tx.store(key, login if known is None else _joined(known, login))
        await tx.commit()
