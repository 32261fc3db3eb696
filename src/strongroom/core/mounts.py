"""The mount table: which engine serves which path.

An entry lies at `core/mount/<uuid>` as JSON of `MountEntry` (`v` is the format's version). An engine's own data lies
under `logical/<uuid>/`, never under its path: moving a mount moves nothing. A mount that was disabled leaves
`core/unmounted/<uuid>` until its data is gone, so that a crash in between forgets nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from strongroom.api.context import MountInfo
from strongroom.api.routes import Engine
from strongroom.clock import new_uuid
from strongroom.errors import BadRequest, CorruptEntry

if TYPE_CHECKING:
    from strongroom.api.backend import Backend
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction

PREFIX = "core/mount/"
GONE = "core/unmounted/"
DATA = "logical/"
#: Paths that are the server's own; nothing may be mounted at, above or below them.
RESERVED = ("sys/", "auth/", "audit/", "cubbyhole/", "identity/")
_BELOW = ("sys/", "auth/", "audit/")
PURGE_CHUNK = 1000
MOVES = 1000


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

    __slots__ = ("backend", "config", "engine", "entry", "info", "non_hmac_request", "non_hmac_response", "prefix")

    def __init__(self, entry: MountEntry, backend: Backend, defaults: tuple[int, int]) -> None:
        self.entry = entry
        self.config = entry.config
        self.backend = backend
        self.engine: Engine[Any] = backend.choose(entry.options or {})
        self.prefix = f"{DATA}{entry.uuid}/"
        default_ttl, max_ttl = defaults
        max_ttl = entry.config.max_lease_ttl or max_ttl
        self.info = MountInfo(
            path=entry.path,
            type=entry.type,
            uuid=entry.uuid,
            accessor=entry.accessor,
            kind=entry.kind,
            options=entry.options or {},
            default_lease_ttl=min(entry.config.default_lease_ttl or default_ttl, max_ttl),
            max_lease_ttl=max_ttl,
            token_type=entry.config.token_type or "default-service",
        )
        self.non_hmac_request = frozenset(entry.config.audit_non_hmac_request_keys)
        self.non_hmac_response = frozenset(entry.config.audit_non_hmac_response_keys)

    @property
    def path(self) -> str:
        """Where it is mounted; ends in "/"."""
        return self.entry.path


class Mounts:
    """The table. Entries change in a request's transaction; `apply` and `remove` follow once that is durable."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._by_path: dict[str, Mount] = {}
        #: Paths being taken down: requests find nothing there any more.
        self._leaving: set[str] = set()
        #: Moves since the unsealing, by id: from where to where.
        self.moves: dict[str, tuple[str, str]] = {}

    async def load(self) -> None:
        """Read all entries, and go on removing the data of mounts that were disabled."""
        tx = self._live.transaction()
        for uuid in await tx.list(PREFIX):
            entry = await tx.load(PREFIX + uuid, MountEntry)
            if entry is not None:
                self.apply(entry)
        for uuid in await tx.list(GONE):
            self._live.tasks.spawn(f"purge {uuid}", lambda uuid=uuid: self.purge(uuid))

    def apply(self, entry: MountEntry) -> None:
        """Put a durable entry to use, in place of the one with its UUID."""
        backend = self._live.core.catalog.get(entry.kind, entry.type) or self._live.core.catalog.get(
            "system", entry.type
        )
        if backend is None:
            raise CorruptEntry(f"the mount at {entry.path} has the type {entry.type}, which this server does not have")
        self._forget(entry.uuid)
        self._by_path[entry.path] = Mount(entry, backend, self._live.core.lease_ttls)

    def remove(self, entry: MountEntry) -> None:
        """Forget an entry whose removal is durable."""
        self._forget(entry.uuid)
        self._leaving.discard(entry.path)

    def _forget(self, uuid: str) -> None:
        for path, mount in list(self._by_path.items()):
            if mount.entry.uuid == uuid:
                del self._by_path[path]

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
        """The mount with this UUID."""
        return next((m for m in self if m.entry.uuid == uuid), None)

    def only(self, type_: str) -> Mount:
        """The mount of a type that the server mounts itself, once."""
        return next(m for m in self if m.entry.type == type_ and not m.backend.mountable)

    def __iter__(self) -> Iterator[Mount]:
        return iter(sorted(self._by_path.values(), key=lambda m: m.path))

    def of(self, auth: bool) -> list[Mount]:
        """All auth methods, or all others, sorted by path."""
        return [m for m in self if m.path.startswith("auth/") is auth]

    def leave(self, path: str) -> None:
        """Stop serving a path, before its leases are revoked."""
        self._leaving.add(path)

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

    def check_free(self, path: str, verb: str = "mount") -> None:
        """Refuse a path that is the server's own or would lie in, or around, another mount's."""
        if path in RESERVED or path.removeprefix("auth/").startswith(_BELOW) or path.startswith(("sys/", "audit/")):
            raise BadRequest(f'cannot {verb} "{path}"')
        if any(part in ("", ".", "..") for part in path[:-1].split("/")) or not path.isprintable():
            raise BadRequest(f"invalid mount path {path!r}: it may not hold empty segments, '..' or control characters")
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

    async def purge(self, uuid: str) -> None:
        """Delete an unmounted engine's data in bounded commits, then the note of it."""
        barrier = self._live.barrier
        tx = self._live.transaction()
        keys: list[str] = []
        async for key, _ in barrier.storage.scan(f"{DATA}{uuid}/"):
            keys.append(key)
            if len(keys) >= PURGE_CHUNK:
                await self._delete(tx, keys)
        await self._delete(tx, keys)
        tx.delete(GONE + uuid)
        await tx.commit()

    @staticmethod
    async def _delete(tx: Transaction, keys: list[str]) -> None:
        for key in keys:
            tx.delete(key)
        await tx.commit()
        keys.clear()


def new_entry(path: str, type_: str, kind: str, **more: Any) -> MountEntry:
    """An entry with a new UUID and accessor (`kv_1a2b3c4d`, `auth_userpass_1a2b3c4d`)."""
    prefix = f"auth_{type_}" if path.startswith("auth/") else type_
    return MountEntry(
        uuid=new_uuid(), accessor=f"{prefix}_{secrets.token_hex(4)}", path=path, type=type_, kind=kind, **more
    )
