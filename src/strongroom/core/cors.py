"""Which web origins may use the server from a browser.

core/config/cors    CorsEntry, JSON: v (1), origins ("*" alone for all), headers beyond the standard ones
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from strongroom.errors import MULTI, InternalError, PermissionDenied, UnsupportedOperation

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction

KEY: Final = "core/config/cors"
METHODS: Final = ("DELETE", "GET", "LIST", "OPTIONS", "PATCH", "POST", "PUT")
#: The request headers that scripts may always send.
HEADERS: Final = (
    "Content-Type",
    "X-Requested-With",
    "X-Vault-AWS-IAM-Server-ID",
    "X-Vault-MFA",
    "X-Vault-No-Request-Forwarding",
    "X-Vault-Wrap-Format",
    "X-Vault-Wrap-TTL",
    "X-Vault-Policy-Override",
    "Authorization",
    "X-Vault-Token",
)
ANY: Final = "*"
#: How long, in seconds, a browser may remember what a preflight answered.
MAX_AGE: Final = 300


class CorsEntry(msgspec.Struct, frozen=True):
    """What is stored. Without origins the whole thing is off."""

    origins: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    v: int = 1


class Cors:
    """Judges the `Origin` of requests; the edge asks it, before anything else looks at them."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._entry = CorsEntry()
        self._origins: frozenset[str] = frozenset()

    async def load(self) -> None:
        """Read what is stored."""
        self.apply(await self._live.transaction().load(KEY, CorsEntry) or CorsEntry())

    @property
    def enabled(self) -> bool:
        """Whether origins are looked at."""
        return bool(self._origins)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins that are allowed, as they were given."""
        return self._entry.origins

    @property
    def headers(self) -> tuple[str, ...]:
        """The request headers that scripts may send."""
        return (*HEADERS, *self._entry.headers)

    def store(self, tx: Transaction, origins: Sequence[str], headers: Sequence[str]) -> CorsEntry:
        """Write other settings; `apply` what this returns once they are durable.

        Raises:
            InternalError: no origin, or others beside the wildcard (Vault answers 500).
        """
        if not origins:
            raise InternalError(MULTI.format("at least one origin or the wildcard must be provided"))
        if ANY in origins and len(origins) > 1:
            raise InternalError(MULTI.format("to allow all origins the '*' must be the only value for allowed_origins"))
        standard = {name.lower() for name in HEADERS}
        entry = CorsEntry(
            tuple(dict.fromkeys(origins)), tuple(h for h in dict.fromkeys(headers) if h.lower() not in standard)
        )
        tx.store(KEY, entry)
        return entry

    def disable(self, tx: Transaction) -> CorsEntry:
        """Remove the settings; `apply` what this returns once that is durable."""
        tx.delete(KEY)
        return CorsEntry()

    def apply(self, entry: CorsEntry) -> None:
        """Judge by these settings from now on."""
        self._entry = entry
        self._origins = frozenset(entry.origins)

    def check(self, origin: str) -> Mapping[str, str]:
        """The headers for the answer to a request with this `Origin`; "" is a request without one.

        Raises:
            PermissionDenied: the origin is not allowed.
        """
        if not origin or not self._origins:
            return {}
        if origin not in self._origins and ANY not in self._origins:
            raise PermissionDenied("origin not allowed")
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    def preflight(self, origin: str, method: str) -> Mapping[str, str] | None:
        """The headers for the empty answer to an OPTIONS request; None when it is no preflight of ours.

        `method` is its `Access-Control-Request-Method`.

        Raises:
            PermissionDenied: the origin is not allowed.
            UnsupportedOperation: nothing here has that method.
        """
        headers = self.check(origin)
        if not headers:
            return None
        if method not in METHODS:
            raise UnsupportedOperation.terse()
        return {
            **headers,
            "Access-Control-Allow-Methods": ",".join(METHODS),
            "Access-Control-Allow-Headers": ",".join(self.headers),
            "Access-Control-Max-Age": str(MAX_AGE),
        }
