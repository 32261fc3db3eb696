"""An answer's envelope."""

from __future__ import annotations

from typing import Any

from strongroom.client import jsontext

_KEYS = ("request_id", "lease_id", "renewable", "lease_duration", "data", "warnings", "auth", "wrap_info")
_AUTH = (
    "client_token",
    "accessor",
    "policies",
    "token_policies",
    "identity_policies",
    "metadata",
    "orphan",
    "entity_id",
    "lease_duration",
    "renewable",
    "mfa_requirement",
)
_WRAP = ("token", "accessor", "ttl", "creation_time", "creation_path", "wrapped_accessor")
_WRAP_DEFAULTS = {"ttl": 0}
_AUTH_DEFAULTS: dict[str, Any] = {
    "client_token": "",
    "accessor": "",
    "entity_id": "",
    "orphan": False,
    "renewable": False,
    "lease_duration": 0,
}


class Secret:
    """What a server answered. `data` is None when there was none; `auth` and `wrap_info` are None or objects."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.request_id = str(body.get("request_id") or "")
        self.lease_id = str(body.get("lease_id") or "")
        self.lease_duration = whole(body.get("lease_duration"))
        self.renewable = bool(body.get("renewable"))
        self.data = mapping(body.get("data"))
        warnings = body.get("warnings")
        self.warnings = [str(text) for text in warnings] if isinstance(warnings, list) and warnings else None
        self.auth = mapping(body.get("auth"))
        self.wrap_info = mapping(body.get("wrap_info"))

    def document(self) -> dict[str, Any]:
        """The answer as `-format=json` shows it, in the order people know."""
        shown: dict[str, Any] = {
            "request_id": self.request_id,
            "lease_id": self.lease_id,
            "lease_duration": self.lease_duration,
            "renewable": self.renewable,
            "data": jsontext.ordered(self.data),
            "warnings": self.warnings,
        }
        if self.auth is not None:
            shown["auth"] = {key: jsontext.ordered(self.auth.get(key, _AUTH_DEFAULTS.get(key))) for key in _AUTH}
        if self.wrap_info is not None:
            shown["wrap_info"] = {key: self.wrap_info.get(key) or _WRAP_DEFAULTS.get(key, "") for key in _WRAP}
        return shown


def parse_secret(body: bytes) -> Secret | None:
    """Decode an answer. None for an empty one; raises `ValueError` on what is not a JSON object."""
    if not body.strip():
        return None
    value = jsontext.loads(body)
    if not isinstance(value, dict):
        raise ValueError("the answer is no JSON object")
    return secret_from(value)


def secret_from(value: dict[str, Any]) -> Secret | None:
    """The status endpoints answer without the envelope: then the whole body is the data. Bare errors are nothing."""
    if any(key in value for key in _KEYS):
        return Secret(value)
    return None if value.keys() <= {"errors"} else Secret({"data": value})


def mapping(value: Any) -> dict[str, Any] | None:
    """An object, or None for anything else."""
    return value if isinstance(value, dict) else None


def whole(value: Any) -> int:
    """A whole number, or 0 for anything else."""
    return value if type(value) is int else 0
