"""The whole API, as the server itself describes it: no request to any of it is an error of the server's."""

from __future__ import annotations

import http.client
import json
import pathlib
import re
from typing import Any

from tests.support.api_walk import Sent, Walk
from tests.support.process import running

SEED = 20240607

#: What would end the walk: the server sealed, its token gone, refusals of everything, or its own storage replaced.
SKIPPED = frozenset(
    {
        "post /sys/seal",
        "post /sys/step-down",
        "post /sys/audit/{path}",
        "post /sys/quotas/rate-limit/{name}",
        "post /sys/quotas/lease-count/{name}",
        "post /auth/token/revoke-self",
    }
)

#: What the server says of its own failures, and writes to its log with the place. Refusals that say what is wrong with
#: the request are answered with 500 here and there too, as recorded of Vault.
OURS = b'{"errors":["internal error"]}'
FAILED = re.compile(r"^.*\[ERROR\].*(?:\n(?!\d{4}-).*)*", re.MULTILINE)

DEV = ("-dev", "-dev-root-token-id=root", "-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token")


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


def problem(sent: Sent, status: int, content_type: str, body: bytes) -> str:
    """What is wrong with an answer, or ""."""
    if status > 500 or (status == 500 and OURS in body):
        return "an error of the server's"
    if status == 204:
        return "204 with a body" if body else "" if "204" in sent.documented else "204 is not documented"
    if "json" not in content_type:
        return "" if status < 400 or not body or sent.operation == "get /sys/metrics" else "an error that is not JSON"
    try:
        decoded = json.loads(body)
    except ValueError:
        return "not JSON"
    if status >= 400:
        errors = decoded.get("errors") if isinstance(decoded, dict) else None
        enveloped = isinstance(decoded, dict) and "request_id" in decoded
        texts = isinstance(errors, list) and all(isinstance(text, str) for text in errors)
        return "" if texts or enveloped else "an error of another shape"
    return "" if isinstance(decoded, dict) else "an answer of another shape"


def test_no_request_to_any_endpoint_is_an_error_of_the_servers(tmp_path: pathlib.Path) -> None:
    with running(tmp_path, config="", args=DEV) as server:
        server.token = "root"
        walk = Walk(everything_mounted(server), SEED, SKIPPED)
        connection = server.connection()
        problems: dict[str, str] = {}
        count = 0
        for sent in walk.requests(fitting=4, odd=6):
            count += 1
            headers = {"X-Vault-Token": "root", **sent.headers}
            connection.request(sent.method, sent.target, sent.body or None, headers)
            answer: http.client.HTTPResponse = connection.getresponse()
            body = answer.read()
            found = problem(sent, answer.status, answer.headers.get("content-type", ""), body)
            if found:
                problems.setdefault(f"{found}: {sent.operation}", f"{answer.status} {sent} -> {body[:300]!r}")
        status, _ = server.call("GET", "sys/health")
        assert status == 200
        connection.close()
        report = "\n".join(f"{name}\n    {example}" for name, example in sorted(problems.items()))
        assert not problems, f"{len(problems)} problems in {count} requests\n{report}"
        assert FAILED.findall(server.log.read_text()) == []
    assert count > 2000
