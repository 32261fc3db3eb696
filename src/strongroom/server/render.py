"""`Response` or `RequestError` → bytes. Pure.

The envelope has all its keys always. Source: Vault's API documentation and recorded answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from strongroom.api.aside import LARGE
from strongroom.api.messages import Auth, Response, WrapInfo, encode_hook
from strongroom.api.status import status_of
from strongroom.clock import rfc3339
from strongroom.errors import RequestError
from strongroom.server.answer import Answer, HeaderList

JSON = "application/json"
SERVER = "Strongroom"

_encoder = msgspec.json.Encoder(enc_hook=encode_hook)
_encode = _encoder.encode
#: With a newline behind it, without another copy of a large answer.
_encode_lines = _encoder.encode_lines
_decode_flat = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Auth(msgspec.Struct, gc=False):
    client_token: str
    accessor: str
    policies: list[str] | None
    token_policies: list[str] | UnsetType
    identity_policies: list[str] | UnsetType
    metadata: dict[str, str] | None
    lease_duration: int
    renewable: bool
    entity_id: str
    token_type: str
    orphan: bool
    mfa_requirement: dict[str, Any] | None
    num_uses: int


class _Wrap(msgspec.Struct, gc=False):
    token: str
    accessor: str
    ttl: int
    creation_time: str
    creation_path: str
    wrapped_accessor: str | UnsetType


class _Envelope(msgspec.Struct):
    request_id: str
    lease_id: str
    renewable: bool
    lease_duration: int
    data: Any
    wrap_info: _Wrap | None
    warnings: list[str] | None
    auth: _Auth | None


class Renderer:
    """Renders for one listener. `custom` are headers to add by status: `default`, `2xx`, `404`; later ones win."""

    def __init__(self, custom: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None, *, tls: bool = False) -> None:
        self._custom = custom or {}
        self._tls = tls
        self._json: dict[int, list[tuple[str, str]]] = {}
        self._empty: dict[int, list[tuple[str, str]]] = {}

    def response(self, request_id: str, response: Response) -> Answer:
        """An engine's answer."""
        if response.bare is not None:
            return self._bare(response)
        if response.empty:
            status = response.status or 204
            return Answer(status, self._with(self._headers_empty(status), response.headers))
        status = response.status or 200
        headers = self._with(self._headers_json(status), response.headers)
        if response.data is not None and len(response.text) > LARGE and not response.flat:
            return Answer(status, headers, _parts(request_id, response))
        envelope = _envelope(request_id, response)
        return Answer(status, headers, _encode_lines((_flat(envelope) if response.flat else envelope,)))

    def error(self, request_id: str, error: RequestError) -> Answer:
        """A refusal: the list of texts, or the envelope if it carries data or warnings."""
        status = status_of(error)
        if error.data is not None or error.warnings:
            body = _encode(_Envelope(request_id, "", False, 0, error.data, None, error.warnings or None, None))
        else:
            body = _encode({"errors": error.errors})
        return Answer(status, self._with(self._headers_json(status), error.headers), body + b"\n")

    def dress(self, answer: Answer) -> Answer:
        """An answer made at the edge, with the headers that every answer has."""
        return answer._replace(headers=self._with(self._headers_empty(answer.status), dict(answer.headers)))

    def _bare(self, response: Response) -> Answer:
        bare = response.bare
        body = bare if isinstance(bare, (bytes, AsyncIterator)) else _encode(bare) + b"\n"
        status = response.status or 200
        if response.content_type == JSON:
            return Answer(status, self._with(self._headers_json(status), response.headers), body)
        headers = {"content-type": response.content_type, **response.headers}
        return Answer(status, self._with(self._headers_empty(status), headers), body)

    def _headers_json(self, status: int) -> list[tuple[str, str]]:
        known = self._json.get(status)
        if known is None:
            known = self._json[status] = self._standard(status, (("content-type", JSON),))
        return known

    def _headers_empty(self, status: int) -> list[tuple[str, str]]:
        known = self._empty.get(status)
        if known is None:
            known = self._empty[status] = self._standard(status, ())
        return known

    def _standard(self, status: int, more: HeaderList) -> list[tuple[str, str]]:
        headers = {"server": ("server", SERVER), "cache-control": ("cache-control", "no-store")}
        if self._tls:
            headers["strict-transport-security"] = (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            )
        fixed = [*more, *headers.values()]
        custom: dict[str, list[tuple[str, str]]] = {}
        for which in ("default", f"{status // 100}xx", str(status)):
            for name, values in self._custom.get(which, {}).items():
                custom[name.lower()] = [(name.lower(), value) for value in values]
        return [pair for pair in fixed if pair[0] not in custom] + [p for pairs in custom.values() for p in pairs]

    @staticmethod
    def _with(standard: list[tuple[str, str]], more: Mapping[str, str]) -> HeaderList:
        if not more:
            return standard
        lowered = {name.lower(): value for name, value in more.items()}
        return [pair for pair in standard if pair[0] not in lowered] + list(lowered.items())


def _envelope(request_id: str, response: Response, text: bytes | None = None) -> _Envelope:
    """An answer's envelope, with `text` in the place of its data."""
    lease = response.lease
    return _Envelope(
        "" if response.wrap is not None else request_id,
        "" if lease is None else lease.id,
        False if lease is None else lease.renewable,
        0 if lease is None else lease.duration,
        None if response.data is None else msgspec.Raw(text or response.text),
        None if response.wrap is None else _wrap(response.wrap),
        response.warnings or None,
        None if response.auth is None else _auth(response.auth),
    )


def _parts(request_id: str, response: Response) -> tuple[bytes, ...]:
    """The envelope of a large answer around the data, which are not copied."""
    # No text of the client's can hold this: there the quotes would be escaped.
    head, mark, tail = _encode_lines((_envelope(request_id, response, b"0"),)).partition(b'"data":0')
    return head + mark[:-1], response.text, tail


def _auth(auth: Auth) -> _Auth:
    return _Auth(
        auth.client_token,
        auth.accessor,
        auth.policies if auth.mfa_requirement is None else None,
        auth.token_policies or UNSET,
        auth.identity_policies or UNSET,
        auth.metadata,
        auth.lease_duration,
        auth.renewable,
        auth.entity_id,
        auth.token_type,
        auth.orphan,
        auth.mfa_requirement,
        auth.num_uses,
    )


def _wrap(wrap: WrapInfo) -> _Wrap:
    return _Wrap(
        wrap.token,
        wrap.accessor,
        wrap.ttl,
        rfc3339(wrap.creation_time),
        wrap.creation_path,
        wrap.wrapped_accessor or UNSET,
    )


def _flat(envelope: _Envelope) -> dict[str, Any]:
    """The envelope with the keys of its data beside it; its own win."""
    data = envelope.data
    beside = data if isinstance(data, Mapping) else _decode_flat(_encode(data))
    return {**beside, **msgspec.structs.asdict(envelope)}
