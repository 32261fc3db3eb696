"""Audit entries: what the pipeline knows of a request, and the shape of the lines that are made of it.

A line is one JSON object, its keys in this order; what is empty, zero or false is left out:

    {"time": RFC 3339 with nanoseconds, "type": "request" | "response",
     "auth": {client_token, accessor, display_name, policies, token_policies, identity_policies,
              policy_results: {allowed, granting_policies: [{name, namespace_id, type}]},
              metadata, num_uses, remaining_uses, entity_id, token_type, token_ttl, token_issue_time},
     "request": {id, client_id, operation, mount_point, mount_type, mount_accessor, mount_running_version, mount_class,
                 client_token, client_token_accessor, namespace: {id}, path, data, remote_address, remote_port,
                 wrap_ttl, headers},
     "response": {auth, mount_point, mount_type, mount_accessor, mount_running_plugin_version, mount_class,
                  secret: {lease_id}, data, warnings,
                  wrap_info: {ttl, token, accessor, creation_time, creation_path, wrapped_accessor}, headers},
     "error": class of the refusal, "reason": why a policy denied it}

Source: Vault's audit documentation and recorded logs. `reason` is our own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from strongroom.api.context import MountInfo
from strongroom.api.messages import Operation, Request, Response
from strongroom.audit.hashing import NO_KEYS
from strongroom.errors import RequestError


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """Who asks, as the audit log tells it. `ttl` in seconds (0 for none), `issue_time` in Unix nanoseconds.

    Who hands over the same object again spares the devices making the same text of it again.
    """

    accessor: str = ""
    display_name: str = ""
    policies: Sequence[str] = ()
    token_policies: Sequence[str] = ()
    identity_policies: Sequence[str] = ()
    metadata: Mapping[str, str] | None = None
    entity_id: str = ""
    token_type: str = "default"  # noqa: S105 - a kind, not a secret
    ttl: int = 0
    issue_time: int = 0
    remaining_uses: int = 0


@dataclass(slots=True)
class Exchange:
    """One request on its way, filled in by the stages as they learn.

    `identity` is None without a good token; `request.token` is logged (hashed) in any case. `operation` overrides the
    request's own once a write is known to create. `allowed` is None until the policies have spoken, `granting` names
    those that allowed. `error` is what refuses the request: set before the request's entry by a denial, before the
    answer's by anything. The non-HMAC keys are the mount's tuned ones.
    """

    request: Request
    mount: MountInfo | None = None
    identity: Identity | None = None
    operation: Operation | None = None
    allowed: bool | None = None
    granting: Sequence[str] = ()
    error: RequestError | None = None
    response: Response | None = None
    non_hmac_request_keys: Collection[str] = NO_KEYS
    non_hmac_response_keys: Collection[str] = NO_KEYS
    #: The time of the request's line, if that waits for the answer's; else empty.
    held: bytes = b""
    #: What both lines of a device have in common, encoded: `auth` and `request`, by the device's formatter.
    blocks: dict[object, tuple[bytes, bytes]] = field(default_factory=dict, repr=False)


class GrantBlock(msgspec.Struct):
    """A policy that allowed."""

    name: str
    namespace_id: str = "root"
    type: str = "acl"


class ResultsBlock(msgspec.Struct, omit_defaults=True):
    """What the policies said."""

    # Not a default: a denial says so.
    allowed: bool
    granting_policies: list[GrantBlock] | None = None


class AuthBlock(msgspec.Struct, omit_defaults=True):
    """A token and its owner."""

    client_token: str = ""
    accessor: str = ""
    display_name: str = ""
    policies: Sequence[str] | None = None
    token_policies: Sequence[str] | None = None
    identity_policies: Sequence[str] | None = None
    policy_results: ResultsBlock | None = None
    metadata: Mapping[str, str] | None = None
    num_uses: int = 0
    remaining_uses: int = 0
    entity_id: str = ""
    token_type: str = ""
    token_ttl: int = 0
    token_issue_time: str = ""


class NamespaceBlock(msgspec.Struct):
    """The namespace of the request."""

    id: str = "root"


class RequestBlock(msgspec.Struct, omit_defaults=True):
    """The request."""

    id: str
    client_id: str = ""
    operation: str = ""
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    mount_running_version: str = ""
    mount_class: str = ""
    client_token: str = ""
    client_token_accessor: str = ""
    namespace: NamespaceBlock | None = None
    path: str = ""
    data: Any = None
    remote_address: str = ""
    remote_port: int = 0
    wrap_ttl: int = 0
    headers: dict[str, list[str]] | None = None


class WrapBlock(msgspec.Struct, omit_defaults=True):
    """Where a wrapped answer waits."""

    ttl: int
    token: str
    accessor: str
    creation_time: str
    creation_path: str
    wrapped_accessor: str = ""


class ResponseBlock(msgspec.Struct, omit_defaults=True):
    """The answer."""

    auth: AuthBlock | None = None
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    mount_running_plugin_version: str = ""
    mount_class: str = ""
    secret: dict[str, str] | None = None
    data: Any = None
    warnings: list[str] | None = None
    wrap_info: WrapBlock | None = None
    headers: dict[str, list[str]] | None = None
