"""The API over a transport: verbs, headers, and answers as secrets or as decoded JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from strongroom.client import jsontext
from strongroom.client.address import escape_path, escape_query
from strongroom.client.errors import AddressError, ResponseError, TransportError
from strongroom.client.secret import Secret, parse_secret, secret_from
from strongroom.client.settings import Settings
from strongroom.client.transport import Reads, Reply, Transport, Writes

MERGE_PATCH = "application/merge-patch+json"
#: `sys/wrapping/wrap` must be wrapped; this long when nothing else is asked.
DEFAULT_WRAP = "5m"


class Request:
    """One request about to be sent: what `before_send` may look at."""

    def __init__(self, method: str, path: str, params: dict[str, str], body: Any, content_type: str) -> None:
        self.method, self.path, self.params, self.body, self.content_type = method, path, params, body, content_type
        self.headers: dict[str, str] = {}

    @property
    def target(self) -> str:
        """The escaped path and query."""
        query = escape_query(self.params)
        return f"/v1/{escape_path(self.path)}" + (f"?{query}" if query else "")


class Client:
    """Talks to one server. `before_send` sees each request and may raise instead of letting it go."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.transport = Transport(settings)
        self.before_send: Callable[[Request], None] | None = None
        self._wrapping = True
        if not (settings.token.isascii() and (settings.token.isprintable() or not settings.token)):
            raise AddressError("configured Vault token contains non-printable characters and cannot be used")

    def read(self, path: str, params: dict[str, str] | None = None) -> Secret | None:
        """GET; None when nothing is there."""
        return self._secret(self._send("GET", path, params), missing=True)

    def read_raw(self, path: str, params: dict[str, str] | None = None) -> bytes | None:
        """GET; the body as it came, None when nothing is there."""
        reply = self._send("GET", path, params)
        if reply.status == 404:
            reply.close()
            return None
        return self._body(reply)

    def list(self, path: str) -> Secret | None:
        """List the names below a path; None when there are none."""
        return self.read(path, {"list": "true"})

    def write(self, path: str, body: Any = None, *, method: str = "PUT") -> Secret | None:
        """PUT (or POST) a JSON body; None for an empty answer."""
        return self._secret(self._send(method, path, None, body))

    def patch(self, path: str, body: Any) -> Secret | None:
        """PATCH with a merge patch."""
        return self._secret(self._send("PATCH", path, None, body, MERGE_PATCH))

    def delete(self, path: str, params: dict[str, str] | None = None) -> Secret | None:
        """DELETE; None for an empty answer."""
        return self._secret(self._send("DELETE", path, params))

    def get_json(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        """GET an object that has no envelope (or whose envelope is wanted whole)."""
        return self._object(self._send("GET", path, params))

    def send_json(self, path: str, body: Any = None, *, method: str = "PUT") -> dict[str, Any]:
        """PUT or POST, and decode the answer, which may be empty."""
        return self._object(self._send(method, path, None, body))

    def unwrap(self, token: str) -> Secret | None:
        """Exchange a wrapping token (ours when "") for what it holds; None if that was an empty 404."""
        if not self.settings.token:
            self.settings = self.settings._replace(token=token)
        body = {"token": token} if token and token != self.settings.token else None
        reply = self._send("PUT", "sys/wrapping/unwrap", None, body)
        return self._secret(reply, missing=True)

    def download(self, path: str, target: Writes) -> int:
        """Stream a GET into a file; returns its length."""
        reply = self._send("GET", path)
        if reply.status >= 300:
            self._body(reply)
        return reply.copy_to(target)

    def lines(self, path: str, params: dict[str, str]) -> Iterator[bytes]:
        """GET a body line by line as it comes, however long a line is in coming."""
        self.transport.settings = self.transport.settings._replace(timeout=0.0)
        reply = self._send("GET", path, params)
        if reply.status >= 300:
            self._body(reply)
        return reply.lines()

    def upload(self, path: str, source: Reads, length: int) -> None:
        """Stream a file as the body of a POST."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
        self._body(self._send("POST", path, None, source, "", headers))

    @contextmanager
    def preliminary(self) -> Iterator[None]:
        """Requests within are neither wrapped nor only printed: their answers are needed for the real one."""
        before, self.before_send, self._wrapping = self.before_send, None, False
        try:
            yield
        finally:
            self.before_send, self._wrapping = before, True

    def _send(
        self,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        stream = hasattr(body, "read")
        request = Request(method, path, params or {}, None if stream else body, content_type)
        request.headers = self._headers(path)
        if self.before_send:
            self.before_send(request)
        payload = body if stream else None
        if body is not None and not stream:
            payload = jsontext.dumps(body).encode()
            request.headers["Content-Type"] = content_type
        all_headers = {"User-Agent": "strongroom-cli", **request.headers, **(headers or {})}
        return self.transport.send(method, self.transport.address.base + request.target, all_headers, payload)

    def _headers(self, path: str) -> dict[str, str]:
        settings = self.settings
        headers = {"X-Vault-Request": "true"}
        if settings.token:
            headers["X-Vault-Token"] = settings.token
        if settings.namespace:
            headers["X-Vault-Namespace"] = settings.namespace.strip("/") + "/"
        if self._wrapping and (wrap := settings.wrap_ttl or (DEFAULT_WRAP if path == "sys/wrapping/wrap" else "")):
            headers["X-Vault-Wrap-Ttl"] = wrap
        if settings.mfa:
            headers["X-Vault-MFA"] = ",".join(settings.mfa)
        if settings.policy_override:
            headers["X-Vault-Policy-Override"] = "true"
        headers.update(settings.headers)
        return headers

    def _secret(self, reply: Reply, *, missing: bool = False) -> Secret | None:
        """Decode an answer; with `missing` a 404 is one too, if it holds data or warnings."""
        where = reply.where
        try:
            body = self._body(reply)
        except ResponseError as error:
            if error.status != 404 or not missing:
                raise
            if not isinstance(error.body, dict):
                return None
            secret = secret_from(error.body)
            return secret if secret and (secret.data or secret.warnings) else None
        try:
            return parse_secret(body)
        except ValueError as error:
            raise TransportError(*where, str(error), "not-api") from None

    def _object(self, reply: Reply) -> dict[str, Any]:
        where = reply.where
        body = self._body(reply)
        if not body.strip():
            return {}
        try:
            value = jsontext.loads(body)
        except ValueError as error:
            raise TransportError(*where, str(error), "not-api") from None
        return value if isinstance(value, dict) else {}

    def _body(self, reply: Reply) -> bytes:
        """The whole body of a success; raises `ResponseError` for an error status."""
        method, url = reply.where
        body = reply.read()
        if reply.status < 300:
            return body
        try:
            value = jsontext.loads(body)
        except ValueError:
            value = None
        raw = body.decode(errors="replace").strip()
        raise ResponseError(method, url, reply.status, value, raw[:2000], self.settings.namespace)
