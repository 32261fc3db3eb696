"""The mount table: which engine serves which path.

An entry lies at `core/mount/<uuid>` as JSON of `MountEntry` (`v` is the format's version). An engine's own data lies
under `logical/<uuid>/`, never under its path: moving a mount moves nothing. A mount that was disabled leaves
`core/unmounted/<uuid>` (`{}`) until its data is gone, so that a crash in between forgets nothing.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from strongroom.api.context import MountInfo
from strongroom.api.routes import Engine
from strongroom.clock import new_uuid
from strongroom.errors import BadRequest

if TYPE_CHECKING:
    from strongroom.api.backend import Backend
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction

log = logging.getLogger("strongroom.core")

PREFIX = "core/mount/"
GONE = "core/unmounted/"
DATA = "logical/"
AUTH = "auth/"
#: Paths that are the server's own: nothing is mounted at or below them, but for auth methods below `auth/`.
RESERVED = ("sys/", AUTH, "audit/", "cubbyhole/", "identity/")
PURGE = "purge of unmounted data"
PURGE_CHUNK = 1000
PURGE_SECONDS = 3600.0
MOVES = 1000
#: How long unmounting waits for requests under way at the mount.
DRAIN_SECONDS = 30.0


class UserLockoutConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """When failed logins lock a name; seconds, and 0 for what the server says."""

    lockout_threshold: int = 0
    lockout_duration: int = 0
    lockout_counter_reset_duration: int = 0
    lockout_disable: bool = False


class MountConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """What tuning changes; TTLs in seconds, 0 for the server's own."""

    default_lease_ttl: int = 0
    max_lease_ttl: int = 0
    force_no_cache: bool = False
    audit_non_hmac_request_keys: tuple[str, ...] = ()
    audit_non_hmac_response_keys: tuple[str, ...] = ()
    listing_visibility: str = ""
    passthrough_request_headers: tuple[str, ...] = ()
    allowed_response_headers: tuple[str, ...] = ()
    token_type: str = ""
    user_lockout: UserLockoutConfig | None = None


class MountEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A mount as it is stored. `path` ends in "/" and, for auth methods, begins with "auth/"."""

    uuid: str
    accessor: str
    path: str
    type: str
    kind: str
    description: str = ""
    options: dict[str, str] | None = None
    local: bool = False
    seal_wrap: bool = False
    external_entropy_access: bool = False
    config: MountConfig = MountConfig()
    v: int = 1


class Mount:
    """A mount in use: its entry, its engine, and what a handler is told of it."""

    __slots__ = (
        "backend",
        "config",
        "default_ttl",
        "engine",
        "entry",
        "info",
        "non_hmac_request",
        "non_hmac_response",
        "prefix",
        "response_headers",
    )

    def __init__(self, entry: MountEntry, backend: Backend, defaults: tuple[int, int]) -> None:
        self.entry = entry
        self.config = entry.config
        self.backend = backend
        self.engine: Engine[Any] = backend.choose(entry.options or {})
        self.prefix = f"{DATA}{entry.uuid}/"
        max_ttl = entry.config.max_lease_ttl or defaults[1]
        #: The default TTL as it is set, which may be longer than the longest.
        self.default_ttl = entry.config.default_lease_ttl or defaults[0]
        self.info = MountInfo(
            path=entry.path,
            type=entry.type,
            uuid=entry.uuid,
            accessor=entry.accessor,
            kind=entry.kind,
            options=entry.options or {},
            default_lease_ttl=min(self.default_ttl, max_ttl),
            max_lease_ttl=max_ttl,
            token_type=entry.config.token_type or "default-service",
            version=backend.version,
            # The caller's token is for nobody.
            request_headers=frozenset(map(str.lower, entry.config.passthrough_request_headers)) - {"x-vault-token"},
        )
        self.non_hmac_request = frozenset(entry.config.audit_non_hmac_request_keys)
        self.non_hmac_response = frozenset(entry.config.audit_non_hmac_response_keys)
        #: The headers, in lower case, that its engine may set; the server's own mounts may set any, and have None.
        self.response_headers = (
            frozenset(name.lower() for name in entry.config.allowed_response_headers) if backend.mountable else None
        )

    @property
    def path(self) -> str:
        """Where it is mounted; ends in "/"."""
        return self.entry.path


class Mounts:
    """The table. Entries change in a request's transaction; `apply` and `remove` follow once that is durable."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._by_path: dict[str, Mount] = {}
        self._by_uuid: dict[str, Mount] = {}
        #: Paths being taken down: requests find nothing there any more.
        self._leaving: set[str] = set()
        #: Moves since the unsealing, by id: from where to where.
        self.moves: dict[str, tuple[str, str]] = {}

    async def load(self) -> None:
        """Read all entries, and go on removing the data of mounts that were disabled."""
        tx = self._live.transaction()
        for uuid in await tx.list(PREFIX):
            entry = await tx.load(PREFIX + uuid, MountEntry)
            if entry is None:
                continue
            if entry.path in self._by_path:
                log.error("two mounts are stored at %s; %s is left out", entry.path, entry.uuid)
                continue
            self.apply(entry)
        first = 0.0 if await tx.list(GONE, "", 1) else PURGE_SECONDS
        self._live.tasks.every(PURGE, PURGE_SECONDS, self.purge, first=first)

    def apply(self, entry: MountEntry) -> None:
        """Put a durable entry to use, in place of the one with its UUID."""
        backend = self._live.core.catalog.of(entry.kind, entry.type)
        mount = Mount(entry, backend, self._live.core.lease_ttls)
        self._forget(entry.uuid)
        self._by_path[entry.path] = self._by_uuid[entry.uuid] = mount

    def remove(self, entry: MountEntry) -> None:
        """Forget an entry whose removal is durable; its data goes in the background."""
        self._forget(entry.uuid)
        self._leaving.discard(entry.path)
        self._live.tasks.wake(PURGE)

    def _forget(self, uuid: str) -> None:
        mount = self._by_uuid.pop(uuid, None)
        if mount is not None:
            del self._by_path[mount.path]

    def find(self, path: str) -> tuple[Mount, str] | None:
        """The mount that serves a request's path, and the path below it."""
        by_path = self._by_path
        at = path.find("/") + 1
        while at:
            mount = by_path.get(path[:at])
            if mount is not None:
                return None if mount.path in self._leaving else (mount, path[at:])
            at = path.find("/", at) + 1
        mount = by_path.get(path + "/")  # the mount itself, asked for without its slash
        return (mount, "") if mount is not None and mount.path not in self._leaving else None

    def by_path(self, path: str) -> Mount | None:
        """The mount at exactly this path, with or without its slash."""
        return self._by_path.get(path if path.endswith("/") else path + "/")

    def by_accessor(self, accessor: str) -> Mount | None:
        """The mount with this accessor."""
        return next((m for m in self if m.entry.accessor == accessor), None)

    def by_uuid(self, uuid: str) -> Mount | None:
        """The mount with this UUID, as it is now."""
        return self._by_uuid.get(uuid)

    def only(self, type_: str) -> Mount:
        """The mount of a type that the server mounts itself, once."""
        return next(m for m in self if m.entry.type == type_ and not m.backend.mountable)

    def __iter__(self) -> Iterator[Mount]:
        return iter(sorted(self._by_path.values(), key=lambda m: m.path))

    def of(self, auth: bool) -> list[Mount]:
        """All auth methods, or all others, sorted by path."""
        return [m for m in self if m.path.startswith(AUTH) is auth]

    async def leave(self, mount: Mount) -> None:
        """Stop serving a mount's path, and wait (bounded) for the requests that are under way there."""
        self._leaving.add(mount.path)
        try:
            uuid = mount.entry.uuid
            if not await self._live.quiet(lambda call: _is_at(call.mount, uuid), DRAIN_SECONDS):
                log.warning("unmounting %s although requests are still under way there", mount.path)
        except BaseException:
            self.stay(mount.path)
            raise

    def stay(self, path: str) -> None:
        """Serve a path again whose unmounting was given up."""
        self._leaving.discard(path)

    def note_move(self, source: str, target: str) -> str:
        """Remember a move that is done; returns its id."""
        if len(self.moves) >= MOVES:
            self.moves.pop(next(iter(self.moves)))
        move = new_uuid()
        self.moves[move] = (source, target)
        return move

    def check_free(self, path: str, verb: str = "mount", *, auth: bool = False) -> None:
        """Refuse a path that is the server's own or would lie in, or around, another mount's.

        `auth` tells that it is an auth method that goes there; its path begins with `auth/`.
        """
        name = path.removeprefix(AUTH) if auth else path
        if not name or (not auth and (path in RESERVED or path.startswith(RESERVED[:3]))):
            raise BadRequest(f'cannot {verb} "{path}"')
        if any(part in ("", ".", "..") for part in path[:-1].split("/")) or not path.isprintable():
            raise BadRequest(f'cannot {verb} "{path}": no segment may be empty, "." or "..", no character unprintable')
        for other in self._by_path:
            if path.startswith(other) or other.startswith(path):
                raise BadRequest(f"path is already in use at {other}")

    def store(self, tx: Transaction, entry: MountEntry) -> None:
        """Write an entry in a request's transaction."""
        tx.store(PREFIX + entry.uuid, entry)

    def discard(self, tx: Transaction, entry: MountEntry) -> None:
        """Remove an entry in a request's transaction, and remember that its data has to go."""
        tx.delete(PREFIX + entry.uuid)
        tx.put(GONE + entry.uuid, b"{}")

    async def purge(self) -> None:
        """Delete what unmounted engines left, in bounded commits, then the note of it."""
        tx = self._live.transaction()
        for uuid in await tx.list(GONE):
            keys: list[str] = []
            async for key, _ in self._live.barrier.storage.scan(f"{DATA}{uuid}/"):
                keys.append(key)
                if len(keys) >= PURGE_CHUNK:
                    await _delete(tx, keys)
            await _delete(tx, keys)
            tx.delete(GONE + uuid)
            await tx.commit()


async def _delete(tx: Transaction, keys: list[str]) -> None:
    for key in keys:
        tx.delete(key)
    await tx.commit()
    keys.clear()


def _is_at(mount: Mount | None, uuid: str) -> bool:
    return mount is not None and mount.entry.uuid == uuid


def new_entry(path: str, type_: str, kind: str, **more: Any) -> MountEntry:
    """An entry with a new UUID and accessor (`kv_1a2b3c4d`, `auth_userpass_1a2b3c4d`)."""
    prefix = f"auth_{type_}" if path.startswith(AUTH) else type_
    return MountEntry(
        uuid=new_uuid(), accessor=f"{prefix}_{secrets.token_hex(4)}", path=path, type=type_, kind=kind, **more
    )
