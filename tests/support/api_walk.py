"""Requests made from a served OpenAPI document: for every operation some that fit its schema and some that do not.

Deterministic for a seed, so that what fails can be sent again.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

TEXTS = (
    "a",
    "b",
    "default",
    "1h",
    "YWJj",
    "a/b",
    "a=b",
    '{"a": {"b": ["c"]}}',
    "aes256-gcm96",
    "sha2-256",
    "vault:v1:YWJj",
)
# fmt: off
ODD_TEXTS = (
    "", " ", "0", "-1", "a\u0000b", "\u00e9\u4e2d", "\U0001f511", "..", "%2e%2e", "a" * 3000, "{{", "*", "+", "$(id)",
    '"', "\\", "\r\nX: y", "1e400", "9" * 30, "nan", "-----BEGIN CERTIFICATE-----", "vault:v1:", "null", "[]", "hvs.",
    "vault:v99999999999999999999:YQ==", "hvb.AAAA",
)
# fmt: on
#: The order in which operations are asked, so that there is something to read.
METHODS = ("post", "get", "patch", "delete")

#: What would end the walk: the server sealed, its token gone, refusals of everything, or its own storage replaced, an
#: answer without an end.
SKIPPED = frozenset(
    {
        "post /sys/seal",
        "post /sys/step-down",
        "post /sys/audit/{path}",
        "post /sys/quotas/rate-limit/{name}",
        "post /sys/quotas/lease-count/{name}",
        "post /auth/token/revoke-self",
        "get /sys/monitor",
    }
)

#: What the server says of its own failures, and writes to its log with the place. Refusals that say what is wrong with
#: the request are answered with 500 here and there too, as recorded of Vault.
OURS = b'{"errors":["internal error"]}'
FAILED = re.compile(r"^.*\[ERROR\].*(?:\n(?!\d{4}-).*)*", re.MULTILINE)

#: What is answered in other forms than a JSON document: Prometheus' text, JSON in lines.
OTHER_FORMS = frozenset({"get /sys/metrics", "get /sys/internal/counters/activity/export"})

#: What refuses in the form of OAuth.
OAUTH = frozenset(
    f"{method} /identity/oidc/provider/{{name}}/{what}"
    for method, what in (
        ("get", "authorize"),
        ("post", "authorize"),
        ("post", "token"),
        ("get", "userinfo"),
        ("post", "userinfo"),
    )
)

DEV = ("-dev", "-dev-root-token-id=root", "-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token")


class Sent(NamedTuple):
    """A request; `operation` is how the document has it."""

    operation: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    documented: frozenset[str]


class Walk:
    """The requests of a document. `skipped` has operations (`post /sys/seal`) that would end the walk."""

    def __init__(self, document: dict[str, Any], seed: int, skipped: frozenset[str] = frozenset()) -> None:
        self._paths: dict[str, dict[str, Any]] = document["paths"]
        self._random = random.Random(seed)
        self._skipped = skipped

    def requests(self, fitting: int, odd: int) -> Iterator[Sent]:
        """So many requests for each operation."""
        for method in METHODS:
            for path, item in self._paths.items():
                operation = f"{method} {path}"
                if method in item and operation not in self._skipped:
                    for number in range(fitting + odd):
                        yield self._request(operation, method, path, item, number < fitting)

    def _request(self, operation: str, method: str, path: str, item: dict[str, Any], fits: bool) -> Sent:
        described = item[method]
        target = re.sub(r"\{\w+\}", lambda _: self._segment(fits), path)
        query = {}
        for parameter in described.get("parameters", ()):
            if self._random.random() < 0.5:
                query[parameter["name"]] = self._text(fits, parameter["schema"])
        headers, body = {}, b""
        for kind, content in described.get("requestBody", {}).get("content", {}).items():
            headers["Content-Type"] = kind
            body = json.dumps(self._body(content["schema"], fits)).encode()
        if method != "patch" and self._random.random() < 0.1:
            headers["X-Vault-Wrap-TTL"] = "60" if fits else self._random.choice(("0", "-1", "x", "1h", "9" * 20))
        # As in Vault, reading with `list=true` is listing, in both of its spellings.
        verb = "LIST" if query.get("list") == "true" and self._random.random() < 0.5 else method.upper()
        if query:
            target += "?" + urlencode(query, errors="surrogatepass")
        documented = frozenset(described["responses"])
        return Sent(operation, verb, "/v1" + target, headers, body, documented)

    def _segment(self, fits: bool) -> str:
        text = self._random.choice(TEXTS[:3] if fits else ODD_TEXTS)
        return quote(text, safe="") or "a"

    def _text(self, fits: bool, schema: dict[str, Any]) -> str:
        if fits:
            value = self._fitting(schema)
            return value if isinstance(value, str) else json.dumps(value)
        return self._random.choice(ODD_TEXTS)

    def _body(self, schema: dict[str, Any], fits: bool) -> Any:
        if not fits and self._random.random() < 0.1:
            return self._any(2)
        properties = schema.get("properties", {})
        chosen = {
            name: self._fitting(properties[name]) if fits else self._any(2)
            for name in properties
            if name in schema.get("required", ()) or self._random.random() < 0.6
        }
        if schema.get("additionalProperties") and self._random.random() < 0.8:
            chosen["more"] = self._any(2)
        return chosen

    def _fitting(self, schema: dict[str, Any]) -> Any:
        draw = self._random
        if "enum" in schema:
            return draw.choice(schema["enum"])
        match schema.get("type"):
            case "integer":
                return draw.choice((0, 1, 2, 3600)) if schema.get("format") == "seconds" else draw.choice((0, 1, 2, 5))
            case "number":
                return draw.choice((0.5, 1, 100))
            case "boolean":
                return draw.random() < 0.5
            case "array":
                return [self._fitting(schema.get("items", {})) for _ in range(draw.randrange(3))]
            case "object":
                return {draw.choice(TEXTS): draw.choice(TEXTS) for _ in range(draw.randrange(3))}
        return draw.choice(TEXTS)

    def _any(self, depth: int) -> Any:
        draw = self._random
        if depth and draw.random() < 0.4:
            if draw.random() < 0.5:
                return [self._any(depth - 1) for _ in range(draw.randrange(4))]
            return {draw.choice((*TEXTS, *ODD_TEXTS)): self._any(depth - 1) for _ in range(draw.randrange(4))}
        numbers = (None, True, False, 0, -1, 2**63, -(2**70), 1.5, -0.0, 1e300)
        return draw.choice((*numbers, *TEXTS, *ODD_TEXTS))


def everything_mounted(server: Any) -> dict[str, Any]:
    """Mount every type there is, at its own name; returns the document."""
    for kind, folder in (("secret", "sys/mounts"), ("auth", "sys/auth")):
        _, body = server.call("LIST", f"sys/plugins/catalog/{kind}")
        for name in body["data"]["keys"]:
            server.call("POST", f"{folder}/{name}", {"type": name})
    server.call("POST", "sys/mounts/kv1", {"type": "kv", "options": {"version": "1"}})
    server.call("POST", "sys/mounts/kv2", {"type": "kv", "options": {"version": "2"}})
    status, document = server.call("GET", "sys/internal/specs/openapi")
    assert status == 200
    return document


def problem(operation: str, documented: Collection[str], status: int, content_type: str, body: bytes) -> str:
    """What is wrong with an answer to an operation that documents these statuses, or ""."""
    if status > 500 or (status == 500 and OURS in body):
        return "an error of the server's"
    if status < 300 and str(status) not in documented:
        return f"{status} is not documented"
    if status == 204:
        return "204 with a body" if body else ""
    if "json" not in content_type:
        return "" if status < 400 or not body or operation in OTHER_FORMS else "an error that is not JSON"
    if status < 300 and operation in OTHER_FORMS:
        return ""
    try:
        decoded = json.loads(body)
    except ValueError:
        return "not JSON"
    if status >= 400:
        if operation in OAUTH and isinstance(decoded, dict) and isinstance(decoded.get("error"), str):
            return ""
        errors = decoded.get("errors") if isinstance(decoded, dict) else None
        enveloped = isinstance(decoded, dict) and "request_id" in decoded
        texts = isinstance(errors, list) and all(isinstance(text, str) for text in errors)
        return "" if texts or enveloped else "an error of another shape"
    return "" if isinstance(decoded, dict) else "an answer of another shape"
