"""From an `Exchange` to the lines of one device."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from strongroom import BUILTIN_VERSION
from strongroom.api.context import MountInfo
from strongroom.api.messages import Auth, Operation, Request, Response, WrapInfo, encode_hook
from strongroom.audit.entry import (
    AuthBlock,
    Exchange,
    GrantBlock,
    Identity,
    NamespaceBlock,
    RequestBlock,
    ResponseBlock,
    ResultsBlock,
    WrapBlock,
)
from strongroom.audit.hashing import REMEMBERED, Salt, conceal, expose, fields_of, parse
from strongroom.audit.jsonx import to_jsonx
from strongroom.clock import rfc3339
from strongroom.errors import MULTI, RequestError, UnsupportedOperation, UnsupportedPath
from strongroom.memo import remember

_encode = msgspec.json.Encoder(enc_hook=encode_hook).encode

#: How long an answer may be that a device remembers, in bytes.
SHORT = 1024

#: Operations whose answers come again.
REPEATED = frozenset({Operation.READ, Operation.LIST})

_ROOT = NamespaceBlock()
_NOBODY = Identity()
#: The classes of refusals whose true reason the client is not told.
REASONED = frozenset({"permission denied", "invalid credentials"})


@lru_cache(maxsize=1024)
def _moment(ns: int) -> str:
    """The issue time of a token, to the second."""
    return rfc3339(ns - ns % 1_000_000_000) if ns else ""


@lru_cache(maxsize=4096)
def _client_id(entity_id: str, policies: tuple[str, ...]) -> str:
    """How Vault counts clients: an entity's id, else a digest of the token's policies and the namespace."""
    if entity_id:
        return entity_id
    text = "\x7f".join(sorted(policies)) + "\0root"
    return base64.b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()).decode()


@dataclass(slots=True, eq=False)
class Formatter:
    """Makes the lines of one device, in whatever thread. `prefix` is put before each, in the clear."""

    salt: Salt
    log_raw: bool = False
    hmac_accessor: bool = True
    elide_list_responses: bool = False
    prefix: str = ""
    jsonx: bool = False
    #: Encoded parts of lines that return with request after request, by all that is in them; hashes, no secrets.
    _parts: dict[tuple[object, ...], tuple[bytes, bytes]] = field(default_factory=dict, repr=False)
    #: Encoded answers, by where they came from and what was in them.
    _answers: dict[tuple[object, ...], bytes] = field(default_factory=dict, repr=False)
    #: Encoded mounts as answers name them, but for the last brace.
    _places: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)

    bare_headers: ClassVar[dict[str, list[str]]] = {"Cache-Control": ["no-store"]}

    def request(self, exchange: Exchange, headers: Mapping[str, bool], time: bytes) -> bytes:
        """The line of a request; `headers` are the configured ones, true for those to hash."""
        auth, request = self._blocks(exchange, headers)
        error = exchange.error
        tail = b"" if error is None else _error(error, error.kind)
        return self._line(time, b"request", auth, request, tail)

    def held(self, exchange: Exchange, headers: Mapping[str, bool]) -> bytes:
        """The line of a request that was held back, as it would have been then."""
        return self._line(exchange.held, b"request", *self._blocks(exchange, headers), b"")

    def both(self, exchange: Exchange, headers: Mapping[str, bool], time: bytes) -> bytes:
        """The line of a request that was held back, and that of its answer."""
        return self.held(exchange, headers) + self.response(exchange, headers, time)

    def response(self, exchange: Exchange, headers: Mapping[str, bool], time: bytes) -> bytes:
        """The line of an answer."""
        auth, request = self._blocks(exchange, headers)
        response, error = exchange.response, exchange.error
        if exchange.identity is None and error is None and response is not None and response.auth is not None:
            # A login: from here on the one who asks is the token's owner.
            auth = _encode(self._granted(response.auth, exchange, uses=False))
        tail = b',"response":' + self._response_part(exchange)
        if error is not None:
            # Refusals of callers have one text wherever they happen, so that one search finds them all.
            kind = error.kind
            tail += _error(error, MULTI.format(kind) if kind and kind not in REASONED else kind)
        return self._line(time, b"response", auth, request, tail)

    def _line(self, time: bytes, kind: bytes, auth: bytes, request: bytes, tail: bytes) -> bytes:
        line = b'{"time":"%b","type":"%b","auth":%b,"request":%b%b}\n' % (time, kind, auth, request, tail)
        if self.jsonx:
            line = to_jsonx(line) + b"\n"
        return self.prefix.encode() + line if self.prefix else line

    def _blocks(self, exchange: Exchange, headers: Mapping[str, bool]) -> tuple[bytes, bytes]:
        """What both lines have in common: `auth` and `request`."""
        known = exchange.blocks.get(self)
        if known is None:
            request, who, mount = exchange.request, exchange.identity, exchange.mount
            if who is None or mount is None or headers or not request.path:
                known = _encode(self._auth(exchange)), _encode(self._request(exchange, headers))
            else:
                known = self._common_blocks(exchange, who, mount)
            exchange.blocks[self] = known
        return known

    def _common_blocks(self, exchange: Exchange, who: Identity, mount: MountInfo) -> tuple[bytes, bytes]:
        """The same of parts that stay from one request to the next, with what does not put in."""
        request, operation = exchange.request, exchange.operation or exchange.request.operation
        key = (who, mount.path, mount.accessor, operation, exchange.allowed, exchange.granting, request.token)
        known = self._parts.get(key)
        if known is None:
            block = _encode(self._request(Exchange(_bare(request, operation), mount, who), {}))
            known = _encode(self._auth(exchange)), block.removeprefix(b'{"id":"",').removesuffix(b"}")
            remember(self._parts, key, known, REMEMBERED)
        auth, same = known
        rest = b""
        if request.data:
            rest = b',"data":' + _encode(self._request_data(request, exchange.non_hmac_request_keys))
        if request.remote_address:
            rest += b',"remote_address":' + _encode(request.remote_address)
        if request.remote_port:
            rest += b',"remote_port":%d' % request.remote_port
        if request.wrap_ttl:
            rest += b',"wrap_ttl":%d' % request.wrap_ttl
        return auth, b'{"id":%b,%b,"path":%b%b}' % (_encode(request.id), same, _encode(request.path), rest)

    def forget(self) -> None:
        """Drop what is remembered."""
        self._parts.clear()
        self._answers.clear()
        self._places.clear()
        self.salt.forget()

    def _token(self, text: str) -> str:
        return text if self.log_raw or not text else self.salt.lasting(text)

    def _accessor(self, text: str) -> str:
        return text if self.log_raw or not self.hmac_accessor or not text else self.salt.lasting(text)

    def _auth(self, exchange: Exchange) -> AuthBlock:
        who = exchange.identity
        results = None
        if exchange.allowed is not None:
            results = ResultsBlock(exchange.allowed, [GrantBlock(name) for name in exchange.granting] or None)
        if who is None:
            return AuthBlock(policy_results=results, token_type="default")  # noqa: S106 - a kind, not a secret
        return AuthBlock(
            client_token=self._token(exchange.request.token),
            accessor=self._accessor(who.accessor),
            display_name=who.display_name,
            policies=who.policies or None,
            token_policies=who.token_policies or None,
            identity_policies=who.identity_policies or None,
            policy_results=results,
            metadata=who.metadata or None,
            remaining_uses=who.remaining_uses,
            entity_id=who.entity_id,
            token_type=who.token_type,
            token_ttl=who.ttl,
            token_issue_time=_moment(who.issue_time),
        )

    def _granted(self, auth: Auth, exchange: Exchange, *, uses: bool = True) -> AuthBlock:
        issued = auth.issue_time
        if not issued and exchange.identity is not None and auth.client_token == exchange.request.token:
            issued = exchange.identity.issue_time
        return AuthBlock(
            client_token=self._token(auth.client_token),
            accessor=self._accessor(auth.accessor),
            display_name=auth.display_name,
            policies=auth.policies or None,
            token_policies=auth.token_policies or None,
            identity_policies=auth.identity_policies or None,
            metadata=auth.metadata or None,
            num_uses=auth.num_uses if uses else 0,
            entity_id=auth.entity_id,
            token_type=auth.token_type,
            token_ttl=auth.lease_duration,
            token_issue_time=_moment(issued),
        )

    def _request(self, exchange: Exchange, headers: Mapping[str, bool]) -> RequestBlock:
        request, who = exchange.request, exchange.identity or _NOBODY
        block = RequestBlock(
            id=request.id,
            client_id="" if exchange.identity is None else _client_id(who.entity_id, tuple(who.token_policies)),
            operation=exchange.operation or request.operation,
            client_token=self._token(request.token),
            client_token_accessor=self._accessor(who.accessor),
            namespace=_ROOT,
            path=request.path,
            remote_address=request.remote_address,
            remote_port=request.remote_port,
            wrap_ttl=request.wrap_ttl,
        )
        if request.data:
            block.data = self._request_data(request, exchange.non_hmac_request_keys)
        if headers:
            block.headers = self._headers(request, headers) or None
        _place(block, exchange.mount)
        return block

    def _request_data(self, request: Request, keys: Collection[str]) -> Any:
        raw = request.raw
        if self.log_raw:
            return expose({key: raw.get(key, value) for key, value in request.data.items()})
        # The body's own text has the numbers as they were written.
        data = {k: value if type(value) is str else raw.get(k, value) for k, value in request.data.items()}
        return conceal(data, self.salt, keys, numbers=True)

    def _headers(self, request: Request, headers: Mapping[str, bool]) -> dict[str, list[str]]:
        return {
            name: [self.salt(value) if hashed and not self.log_raw else value]
            for name, hashed in headers.items()
            if (value := request.headers.get(name)) is not None
        }

    def _response_part(self, exchange: Exchange) -> bytes:
        response, mount = exchange.response, exchange.mount
        if mount is None or exchange.error is not None or response is None or not response.plain:
            return _encode(self._response(exchange))
        request, text = exchange.request, response.text
        if len(text) > SHORT or request.operation not in REPEATED:
            return self._plain_part(response, mount, exchange)
        # One path's answers with the same text are of the same kinds, and so hide the same.
        key = (request.path, mount.accessor, request.operation, exchange.non_hmac_response_keys, text)
        known = self._answers.get(key)
        if known is None:
            known = remember(self._answers, key, self._plain_part(response, mount, exchange), REMEMBERED)
        return known

    def _plain_part(self, response: Response, mount: MountInfo, exchange: Exchange) -> bytes:
        """What `_response` gives of an answer that has nothing but data, encoded: where it comes from lasts."""
        key = (mount.path, mount.accessor)
        place = self._places.get(key)
        if place is None:
            block = ResponseBlock()
            _place(block, mount)
            place = remember(self._places, key, _encode(block).removesuffix(b"}"), REMEMBERED)
        data = self._response_data(response.data, exchange)
        return place + (b"}" if data is None else b',"data":%b}' % _encode(data))

    def _response(self, exchange: Exchange) -> ResponseBlock:
        block = ResponseBlock()
        _place(block, exchange.mount)
        response, error = exchange.response, exchange.error
        if error is not None:
            block.data = self._response_data(_refusal(error), exchange)
            block.warnings = error.warnings or None
            return block
        if response is None:
            return block
        block.warnings = response.warnings or None
        if response.headers:
            block.headers = {name: [value] for name, value in response.headers.items()}
        if response.wrap is not None:
            # The answer itself waits in the wrapping token's cubbyhole; here it leaves no trace.
            block.wrap_info = self._wrap(response.wrap)
            return block
        if response.auth is not None:
            block.auth = self._granted(response.auth, exchange)
        if response.lease is not None:
            block.secret = {"lease_id": response.lease.id} if response.lease.id else {}
        if response.bare is not None:
            block.data = self._bare(response, exchange)
            block.headers = {**self.bare_headers, "Content-Type": [response.content_type], **(block.headers or {})}
        elif response.data is not None:
            block.data = self._response_data(response.data, exchange)
        return block

    def _response_data(self, data: Any, exchange: Exchange, *, numbers: bool = False) -> Any:
        if data is None:
            return None
        if self.elide_list_responses and (exchange.operation or exchange.request.operation) is Operation.LIST:
            data = _elide(data)
        if self.log_raw:
            text = expose(data)
            return None if bytes(text) in (b"{}", b"null") else text
        return conceal(data, self.salt, exchange.non_hmac_response_keys, numbers=numbers) or None

    def _bare(self, response: Response, exchange: Exchange) -> Any:
        """An answer outside the envelope: Vault logs what went over the wire, its numbers as their text."""
        bare = response.bare
        if isinstance(bare, (Mapping, msgspec.Struct)):
            return self._response_data(bare, exchange, numbers=True)
        keys = exchange.non_hmac_response_keys
        shown: dict[str, Any] = {"http_content_type": response.content_type}
        if isinstance(bare, bytes) and not self.log_raw and "http_raw_body" not in keys:
            shown = conceal(shown, self.salt, keys)
            shown["http_raw_body"] = self.salt.of_bytes(bare)
        else:
            if isinstance(bare, bytes):
                shown["http_raw_body"] = bare.decode("utf-8", "replace")
            shown = shown if self.log_raw else conceal(shown, self.salt, keys)
        shown["http_status_code"] = response.status or 200
        return shown

    def _wrap(self, wrap: WrapInfo) -> WrapBlock:
        return WrapBlock(
            ttl=wrap.ttl,
            token=wrap.token if self.log_raw else self.salt(wrap.token),
            accessor=self._accessor(wrap.accessor),
            creation_time=rfc3339(wrap.creation_time),
            creation_path=wrap.creation_path,
            wrapped_accessor=self._accessor(wrap.wrapped_accessor),
        )


def _bare(request: Request, operation: Operation) -> Request:
    """A request of which only who asks for what is left."""
    return Request(id="", operation=operation, path="", token=request.token)


def _place(block: RequestBlock | ResponseBlock, mount: MountInfo | None) -> None:
    if mount is None:
        return
    block.mount_point = mount.path
    block.mount_type = mount.type
    block.mount_accessor = mount.accessor
    version = mount.version or BUILTIN_VERSION
    if isinstance(block, ResponseBlock):
        block.mount_running_plugin_version = version
    else:
        block.mount_running_version = version
    block.mount_class = "auth" if mount.kind == "auth" else "secret"


def _refusal(error: RequestError) -> Mapping[str, Any] | None:
    if error.data:
        return error.data
    if not error.errors or isinstance(error, (UnsupportedPath, UnsupportedOperation)):
        return None
    return {"error": "; ".join(error.errors)}


def _elide(data: Any) -> Any:
    """A list's answer with its names counted instead of told."""
    if isinstance(data, msgspec.Raw):
        data = parse(bytes(data))
    elif isinstance(data, msgspec.Struct):
        data = fields_of(data)
    if not isinstance(data, Mapping):
        return data
    counted = {key: len(data[key]) for key in ("keys", "key_info") if isinstance(data.get(key), (list, tuple, Mapping))}
    return {**data, **counted}


def _error(error: RequestError, text: str) -> bytes:
    tail = b',"error":' + _encode(text) if text else b""
    if error.reason and error.kind in REASONED:
        tail += b',"reason":' + _encode(error.reason)
    return tail
