"""What the handlers of `system/` and of the token method may ask for beyond what every engine gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from strongroom.api.context import Context
from strongroom.errors import Sealed

if TYPE_CHECKING:
    from strongroom.core.core import Core
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount
    from strongroom.core.tokens import TokenEntry
    from strongroom.policy.match import ACL
    from strongroom.storage.transaction import Transaction


class SystemContext(Context):
    """A context that reaches the core. While sealed only `core` is there; asking for the rest raises `Sealed`."""

    __slots__ = ("_live", "_transaction", "acl", "after", "core", "for_mount", "token_entry")

    def __init__(
        self,
        *,
        core: Core,
        live: Live | None,
        transaction: Transaction | None,
        token: TokenEntry | None,
        for_mount: Callable[[Mount], Context],
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.core = core
        self._live = live
        self._transaction = transaction
        #: The caller's token; None without one.
        self.token_entry = token
        #: The caller's compiled policies; None without a token.
        self.acl: ACL | None = None
        #: A context of another mount within this same request: its transaction, its locks.
        self.for_mount = for_mount
        self.after: list[Callable[[], Awaitable[None] | None]] = []

    @property
    def live(self) -> Live:
        """What exists only while unsealed."""
        if self._live is None:
            raise Sealed
        return self._live

    @property
    def transaction(self) -> Transaction:
        """The request's transaction over the whole barrier; the pipeline commits it."""
        if self._transaction is None:
            raise Sealed
        return self._transaction

    def after_commit(self, action: Callable[[], Awaitable[None] | None]) -> None:
        """Run `action` once the request's changes are durable, before its answer is audited."""
        self.after.append(action)
