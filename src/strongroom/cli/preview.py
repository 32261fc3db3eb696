"""A request shown instead of sent: as a cURL command, or as the policy it needs."""

from __future__ import annotations

from typing import NoReturn

from strongroom.client import jsontext
from strongroom.client.client import Client, Request
from strongroom.client.errors import NotSent

#: Paths that need `sudo` besides; a star ends a prefix, `+` is one segment.
SUDO_PATHS = (
    "auth/token/accessors",
    "auth/token/revoke-orphan",
    "pki/root",
    "pki/root/sign-self-issued",
    "sys/audit",
    "sys/audit/*",
    "sys/auth-doctor/*",
    "sys/auth/*",
    "sys/config/auditing/*",
    "sys/config/cors",
    "sys/config/ui/headers*",
    "sys/internal/counters/activity/export",
    "sys/internal/explain",
    "sys/leases",
    "sys/leases/lookup/*",
    "sys/leases/revoke-force/*",
    "sys/leases/revoke-prefix/*",
    "sys/plugins/catalog/*",
    "sys/raw*",
    "sys/remount",
    "sys/revoke-force/*",
    "sys/revoke-prefix/*",
    "sys/rotate",
    "sys/seal",
    "sys/step-down",
    "sys/storage/raft/snapshot-force",
)
_CAPABILITIES = {"GET": ["read"], "PATCH": ["patch"], "DELETE": ["delete"]}


def curl(client: Client, request: Request) -> NoReturn:
    """Raise the request as a cURL command. The token stays out of it: the shell asks `vault print token`."""
    words = ["curl"]
    settings = client.settings
    if settings.skip_verify:
        words.append("--insecure")
    for option, value in (
        ("--cacert", settings.ca_cert),
        ("--capath", settings.ca_path),
        ("--cert", settings.client_cert),
        ("--key", settings.client_key),
        ("--unix-socket", client.transport.address.socket),
    ):
        if value:
            words.append(f"{option} {_single(value)}")
    if request.method != "GET":
        words.append(f"-X {request.method}")
    headers = dict(request.headers)
    if request.body is not None and request.content_type != "application/json":
        headers["Content-Type"] = request.content_type
    for name, value in sorted(headers.items(), reverse=True):
        shown = "$(vault print token)" if name == "X-Vault-Token" else _in_double(value)
        words.append(f'-H "{name}: {shown}"')
    if request.body is not None:
        words.append(f"-d {_single(jsontext.dumps(request.body))}")
    words.append(f'"{_in_double(client.transport.address.shown + request.target)}"')
    raise NotSent(" ".join(words))


def policy(request: Request) -> NoReturn:
    """Raise the request as a policy that allows it."""
    if request.params.get("list") == "true":
        capabilities = ["list"]
    else:
        capabilities = list(_CAPABILITIES.get(request.method, ["create", "update"]))
    if _needs_sudo(request.path):
        capabilities.append("sudo")
    listed = ", ".join(f'"{capability}"' for capability in capabilities)
    path = request.path.replace("\\", "\\\\").replace('"', '\\"')
    raise NotSent(f'path "{path}" {{\n  capabilities = [{listed}]\n}}')


def _needs_sudo(path: str) -> bool:
    return any(path == known or (known[-1] == "*" and path.startswith(known[:-1])) for known in SUDO_PATHS)


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _in_double(text: str) -> str:
    return "".join("\\" + ch if ch in '\\"$`' else ch for ch in text)
