"""Response wrapping: an answer is put aside, and what the client gets is a token that fetches it, once.

The answer lies in the wrapping token's cubbyhole, under `response`, as the object that a client reads there:

    {"response": "<the JSON text of the answer's envelope>"}

A wrapping token is a service token with one use and the policy response-wrapping; its path is where the answer came
from and its TTL how long it waits, so nothing else needs to be kept. Fetching removes token and answer in the commit
that comes before the answer is given out: it is given at most once, even if the server dies in between.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import msgspec

from strongroom.api.messages import Auth, Lease, Request, Response, WrapInfo, encode_hook
from strongroom.clock import rfc3339
from strongroom.core.token_model import TokenEntry
from strongroom.errors import BadRequest, RequestError

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction

NAME: Final = "response"

INVALID: Final = "wrapping token is not valid or does not exist"


NULL: Final = msgspec.Raw(b"null")


class Envelope(msgspec.Struct, kw_only=True):
    """An answer as clients know it; the order of the fields is theirs."""

    request_id: str = ""
    lease_id: str = ""
    renewable: bool = False
    lease_duration: int = 0
    data: msgspec.Raw = NULL
    wrap_info: None = None
    warnings: list[str] | None = None
    auth: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return "Envelope()"


class Stored(msgspec.Struct):
    """What lies in the cubbyhole."""

    response: str

    def __repr__(self) -> str:
        return "Stored()"


_encode = msgspec.json.Encoder(enc_hook=encode_hook).encode
_decode = msgspec.json.Decoder(Envelope).decode
_decode_stored = msgspec.json.Decoder(Stored).decode

#: The fields of an auth block that clients see.
AUTH_FIELDS: Final = (
    "client_token",
    "accessor",
    "policies",
    "token_policies",
    "identity_policies",
    "metadata",
    "lease_duration",
    "renewable",
    "entity_id",
    "token_type",
    "orphan",
    "num_uses",
)


class Wrapping:
    """Puts answers aside and gives them back."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def load(self) -> None:
        """Nothing is kept in memory."""

    async def stop(self) -> None:
        """Nothing runs on its own here."""

    async def wrap(self, tx: Transaction, request: Request, response: Response, ttl: int) -> WrapInfo:
        """Put an answer aside in the request's transaction; `ttl` in seconds."""
        accessor = response.auth.accessor if response.auth is not None else ""
        return self._put_aside(tx, request.path, _text(request.id, response), ttl, accessor)

    async def verify(self, request: Request) -> RequestError | None:
        """Why the token of a request to look up, unwrap or rewrap is none; None if it is a wrapping token.

        That is the `token` among its parameters, else the request's own. Asked before the request's token is judged,
        since a spent one must be reported as such.
        """
        given = request.data.get("token")
        if given is not None and not isinstance(given, str):
            return BadRequest("error validating wrapping token: could not decode token in request body")
        token = given or request.token
        if not token:
            return BadRequest("error validating wrapping token: token is empty")
        entry = await self._live.tokens.lookup(token)
        return None if entry is not None and entry.wrapping else BadRequest(INVALID)

    async def lookup(self, token: str, own: TokenEntry | None) -> dict[str, Any]:
        """What waits behind a wrapping token: where it came from, since when, and for how long."""
        entry = await self._find(token, own)
        return {
            "creation_path": entry.path,
            "creation_time": rfc3339(entry.creation_ns),
            "creation_ttl": entry.ttl,
        }

    async def unwrap(self, token: str, own: TokenEntry | None) -> Response:
        """Give the answer back and remove it, durably, first. `own` is the request's own token, if that is meant.

        Raises:
            BadRequest: there is nothing behind this token, or not any more.
        """
        tx = self._live.transaction()
        _, text = await self._take(tx, await self._find(token, own))
        return _response(text)

    async def rewrap(self, token: str, own: TokenEntry | None) -> WrapInfo:
        """Put the answer aside anew, for as long as before and under a new token; the old one ends."""
        tx = self._live.transaction()
        found = await self._find(token, own)
        info: WrapInfo | None = None

        def renew(entry: TokenEntry, text: str) -> None:
            nonlocal info
            auth = _decode(text.encode()).auth
            info = self._put_aside(tx, entry.path, text, entry.ttl, str((auth or {}).get("accessor", "")))

        await self._take(tx, found, renew)
        assert info is not None
        return info

    def _put_aside(self, tx: Transaction, path: str, text: str, ttl: int, accessor: str) -> WrapInfo:
        token, entry = self._live.tokens.issue_wrapping(tx, path, ttl)
        tx.put(self._live.cubbyhole(entry.key) + NAME, _encode(Stored(text)))
        return WrapInfo(token, entry.accessor, ttl, entry.creation_ns, path, accessor)

    async def _find(self, token: str, own: TokenEntry | None) -> TokenEntry:
        entry = await self._live.tokens.lookup(token) if token else own
        if entry is None or not entry.wrapping:
            raise BadRequest(INVALID)
        return entry

    async def _take(self, tx: Transaction, found: TokenEntry, then: Any = None) -> tuple[TokenEntry, str]:
        """Remove a wrapping token with its answer, in one commit with what `then` writes; only one caller succeeds."""
        store = self._live.tokens.store
        async with AsyncExitStack() as stack:
            await store.hold(stack, [found.key])
            entry = await store.living(found.key)
            # One that pays for this very request has been counted down already.
            if entry is None or entry.num_uses != found.num_uses:
                raise BadRequest(INVALID)
            raw = await tx.get(self._live.cubbyhole(entry.key) + NAME)
            if raw is None:
                raise BadRequest(INVALID)
            text = _decode_stored(raw).response
            if then is not None:
                then(entry, text)
            await store.erase(tx, entry)
            await tx.commit()
        return entry, text


def _text(request_id: str, response: Response) -> str:
    lease, auth = response.lease, response.auth
    envelope = Envelope(
        request_id=request_id,
        data=NULL if response.data is None else msgspec.Raw(_encode(response.data)),
        warnings=response.warnings or None,
        auth=None if auth is None else _auth_block(auth),
    )
    if lease is not None:
        envelope.lease_id, envelope.lease_duration, envelope.renewable = lease.id, lease.duration, lease.renewable
    return _encode(envelope).decode()


def _auth_block(auth: Auth) -> dict[str, Any]:
    block = {name: getattr(auth, name) for name in AUTH_FIELDS}
    if not auth.identity_policies:
        del block["identity_policies"]
    return block


def _response(text: str) -> Response:
    envelope = _decode(text.encode())
    data = None if envelope.data == NULL else envelope.data.copy()
    response = Response(data=data, warnings=envelope.warnings or [], status=200)
    if envelope.auth is not None:
        response.auth = Auth(**{name: envelope.auth[name] for name in AUTH_FIELDS if name in envelope.auth})
    if envelope.lease_id or envelope.lease_duration:
        response.lease = Lease(envelope.lease_duration, envelope.lease_id, envelope.renewable)
    return response
