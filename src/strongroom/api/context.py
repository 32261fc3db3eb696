"""What a handler may ask for. Everything an engine needs arrives through here; it imports nothing of the core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import msgspec

from strongroom.api.messages import Lease, Operation, Request
from strongroom.clock import Clock

S = TypeVar("S", bound=msgspec.Struct)


class StorageView(Protocol):
    """A mount's own part of the storage, inside the request's transaction: reads see the request's own writes."""

    async def get(self, key: str) -> bytes | None:
        """The bytes at a key."""

    async def load(self, key: str, kind: type[S]) -> S | None:
        """The object at a key, shared between requests: never change it, `msgspec.structs.replace` it."""

    def put(self, key: str, value: bytes) -> None:
        """Store bytes when the request commits."""

    def store(self, key: str, value: msgspec.Struct) -> None:
        """Store an object when the request commits."""

    def delete(self, key: str) -> None:
        """Remove a key when the request commits."""

    async def list(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """The names one level below `prefix`, in byte order; folders end in "/"."""


@dataclass(slots=True)
class MountInfo:
    """The mount that a request came to. TTLs are the effective ones, in seconds."""

    path: str
    type: str
    uuid: str
    accessor: str
    kind: str = "secret"
    options: Mapping[str, str] = field(default_factory=dict)
    default_lease_ttl: int = 2764800
    max_lease_ttl: int = 2764800
    token_type: str = "default-service"  # noqa: S105 - a kind, not a secret
    #: The version of the Python package that its type comes from; "" for what is built in.
    version: str = ""
    #: The headers, in lower case, that its engine may see.
    request_headers: frozenset[str] = frozenset()


class IdentityVars(Protocol):
    """What templates may say of an entity and its groups."""

    def value(self, name: str) -> str | None:
        """The value of `identity.entity.name`, `identity.groups.names.NAME.id` and so on; None when there is none."""


class Host(Protocol):
    """What the server does for a mount beyond storage and locks; see `Context` for each."""

    async def lease(self, kind: str, data: Any, **terms: Any) -> Lease:
        """Make a lease durable."""

    def background(self, name: str, step: Callable[[Any], Awaitable[bool]]) -> bool:
        """Run a step after the request, again and again."""

    @property
    def memory(self) -> dict[str, Any]:
        """The mount's own memory."""

    async def commit(self) -> None:
        """Make the request's writes durable now."""

    async def apart(self, action: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run an action in a context and a transaction of its own."""

    async def password(self, policy: str) -> str | None:
        """A new password."""

    async def withdraw(self, lease: Lease) -> None:
        """Remove a lease for which nothing was made."""

    def note(self, key: Hashable, note: Any) -> None:
        """Keep a note for the engine's `settle`."""

    def noted(self, key: Hashable) -> Any:
        """The note of a key that `settle` has not stored yet."""

    def hashed(self, text: str) -> str:
        """A text as an audit device writes it."""


@dataclass(slots=True)
class Caller:
    """Who asks: what an engine may know of the request's token. `sudo` is the right on this very path."""

    accessor: str = ""
    display_name: str = ""
    policies: tuple[str, ...] = ()
    entity_id: str = ""
    type: str = "service"
    root: bool = False
    sudo: bool = False
    identity: IdentityVars | None = field(default=None, repr=False)
    """The token's entity, for templates; None without one."""
    key: str = field(default="", repr=False)
    """A stable name for the token's own storage; not the token."""


class Context:
    """One request's view of the server, for its handler."""

    __slots__ = (
        "_decide",
        "_host",
        "_lock",
        "caller",
        "clock",
        "mount",
        "request",
        "storage",
        "warnings",
    )

    def __init__(
        self,
        *,
        request: Request,
        mount: MountInfo,
        storage: StorageView,
        caller: Caller,
        clock: Clock,
        lock: Callable[[str], Awaitable[None]],
        decide: Callable[..., Any] | None = None,
        host: Host | None = None,
    ) -> None:
        self.request = request
        self.mount = mount
        self.storage = storage
        self.caller = caller
        self.clock = clock
        self.warnings: list[str] = []
        self._lock = lock
        self._decide = decide
        self._host = host

    def header(self, name: str) -> str | None:
        """A header of the request, if its mount lets that through (`passthrough_request_headers`), else None.

        An engine looks at no other: `request.headers` is the server's own.
        """
        name = name.lower()
        return self.request.headers.get(name) if name in self.mount.request_headers else None

    def warn(self, text: str) -> None:
        """Add a warning to the answer."""
        self.warnings.append(text)

    async def lock(self, kind: str, name: str) -> None:
        """Hold the lock on one object of this mount to the end of the request, its commit included."""
        await self._lock(f"{self.mount.uuid}/{kind}/{name}")

    async def lease(
        self, kind: str, data: Mapping[str, Any], *, ttl: int = 0, max_ttl: int = 0, renewable: bool = True
    ) -> Lease:
        """Make a lease durable *before* the outside world is touched; `data` is all that its revocation needs.

        `ttl` and `max_ttl` are seconds, 0 for the mount's own. If the request then fails, the lease is revoked.
        """
        made = await self._the_host.lease(kind, data, ttl=ttl, max_ttl=max_ttl, renewable=renewable)
        self.warnings += made.warnings
        return made

    async def withdraw(self, lease: Lease) -> None:
        """Remove a lease that this request took, when it is certain that nothing was made for it.

        Without this a request that fails has its lease revoked, which is right where anything might be left.
        """
        await self._the_host.withdraw(lease)

    def background(self, name: str, step: Callable[[Any], Awaitable[bool]]) -> bool:
        """Run `step` after the request, again and again until it returns False.

        Each time it gets a context of this mount with a transaction of its own, so that long work is durable on the
        way and holds no lock for long. False when work of this name is under way at the mount already.
        """
        return self._the_host.background(name, step)

    def may(self, path: str, operation: Operation, data: Mapping[str, Any] | None = None) -> bool:
        """Whether the caller's policies also allow `operation` on another path of this mount, with these parameters.

        For work that touches several paths: the pipeline judges only the one that the request names. Without a caller
        nothing is allowed.
        """
        if self._decide is None:
            return False
        decision = self._decide(self.mount.path + path, operation, data=data or {}, wrap_ttl=self.request.wrap_ttl)
        return bool(decision.allowed)

    @property
    def memory(self) -> dict[str, Any]:
        """What the engine keeps in memory for this mount, from one request to the next, while the server is unsealed.

        When the mount goes or the server seals, each value that has a coroutine method `aclose` is closed by it.
        """
        return self._the_host.memory

    async def commit(self) -> None:
        """Make what the request has written so far durable, before the outside world is touched. It stays if the
        request then fails."""
        await self._the_host.commit()

    async def apart(self, action: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run an action in a context of this mount with a transaction and locks of its own; it commits at the end."""
        return await self._the_host.apart(action)

    async def password(self, policy: str = "") -> str | None:
        """A new password after a password policy, without one 20 characters with a capital, a small letter, a digit
        and a hyphen. None when there is no policy of that name."""
        return await self._the_host.password(policy)

    def note(self, key: Hashable, note: Any) -> None:
        """Keep a small note for the engine's `settle`, which stores it with others within seconds.

        So a request pays for no write. Of one key the latest counts. A crash loses what waits, and when storage does
        not keep up, notes of further keys are dropped.
        """
        assert self._host is not None
        self._host.note(key, note)

    def noted(self, key: Hashable) -> Any:
        """The note of a key that `settle` has not stored yet; None when there is none."""
        return self._the_host.noted(key)

    def hashed(self, text: str) -> str:
        """A text's HMAC (`hmac-sha256:...`), for what must be told apart and found again but not shown.

        It is what the first audit device by name writes in the text's place; without a device the salt is the server's
        own.
        """
        return self._the_host.hashed(text)

    @property
    def _the_host(self) -> Host:
        assert self._host is not None
        return self._host
