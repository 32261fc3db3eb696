"""What the handlers of `system/` and of the token method may ask for beyond what every engine gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from strongroom.api.context import Context
from strongroom.api.messages import Lease
from strongroom.errors import Sealed

if TYPE_CHECKING:
    from strongroom.core.core import Core
    from strongroom.core.live import Live
    from strongroom.core.locks import HeldLocks
    from strongroom.core.mounts import Mount
    from strongroom.core.tokens import TokenEntry
    from strongroom.policy.match import ACL
    from strongroom.storage.transaction import Transaction


class SystemContext(Context):
    """A context that reaches the core. While sealed only `core` is there; asking for the rest raises `Sealed`."""

    __slots__ = ("_held", "_leases", "_live", "_transaction", "acl", "after", "core", "token_entry")

    core: Core

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        #: The caller's token; None without one.
        self.token_entry: TokenEntry | None = None
        #: The caller's compiled policies; None without a token.
        self.acl: ACL | None = None
        self.after: list[Callable[[], Awaitable[None] | None]] = []
        self._live: Live | None = None

    def within(self, live: Live, transaction: Transaction, held: HeldLocks, leases: list[Lease] | None) -> None:
        """Reach what exists only while unsealed, within this request."""
        self._live, self._transaction, self._held, self._leases = live, transaction, held, leases

    def for_mount(self, mount: Mount) -> Context:
        """A context of another mount within this same request: its transaction, its locks."""
        return self.live.context(
            mount,
            self.request,
            self._transaction,
            self._held,
            caller=self.caller,
            token=self.token_entry,
            leases=self._leases,
            acl=self.acl,
        )

    @property
    def live(self) -> Live:
        """What exists only while unsealed."""
        if self._live is None:
            raise Sealed
        return self._live

    @property
    def transaction(self) -> Transaction:
        """The request's transaction over the whole barrier; the pipeline commits it."""
        if self._live is None:
            raise Sealed
        return self._transaction

    def after_commit(self, action: Callable[[], Awaitable[None] | None]) -> None:
        """Run `action` once the request's changes are durable, before its answer is audited."""
        self.after.append(action)
