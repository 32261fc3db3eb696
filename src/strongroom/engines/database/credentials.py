"""What a user proves itself with: passwords, and the settings of the other kinds that roles may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from strongroom.api.context import Context
from strongroom.api.fields import Invalid, parse_int, parse_text
from strongroom.engines.database.connections import Connection
from strongroom.engines.database.engine import Failed
from strongroom.engines.database.model import CREDENTIAL_TYPES, PASSWORD, RSA_KEY, Config
from strongroom.errors import BadRequest

KEY_BITS: Final = (2048, 3072, 4096)
FORMATS: Final = ("pkcs8",)
#: What a kind's settings may hold; the last kind's are kept as they come.
_SECRETS: Final = ("ca_private_key",)


def check_type(kind: str) -> None:
    """Refuse a kind of credential that there is not."""
    if kind not in CREDENTIAL_TYPES:
        raise BadRequest(f'invalid credential_type "{kind[:64]}"')


def checked_settings(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A kind's settings with what is left out filled in; raises `BadRequest`."""
    try:
        if kind == PASSWORD:
            policy = parse_text(given.get("password_policy") or "")
            return {"password_policy": policy} if policy else {}
        if kind == RSA_KEY:
            return _rsa_settings(given)
    except Invalid as error:
        raise BadRequest(f"credential_config validation failed: {error}") from None
    return dict(given)


def _rsa_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    bits = parse_int(given.get("key_bits") or KEY_BITS[0])
    layout = parse_text(given.get("format") or FORMATS[0])
    if bits not in KEY_BITS:
        raise BadRequest(f"credential_config validation failed: invalid key_bits: {bits}")
    if layout not in FORMATS:
        raise BadRequest(f"credential_config validation failed: invalid format: {layout[:64]}")
    return {"key_bits": bits, "format": layout}


def shown_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A kind's settings as reading shows them."""
    return {name: value for name, value in settings.items() if name not in _SECRETS}


def check_supported(connection: Connection, kind: str) -> None:
    """Refuse a kind of credential that the database does not know."""
    if kind not in connection.plugin.credential_types:
        raise BadRequest(f'unsupported credential_type: "{kind}"')


async def new_password(ctx: Context, config: Config, settings: Mapping[str, Any] | None = None) -> str:
    """A password after the role's policy, the connection's, or ours; raises `Failed` when the policy is missing."""
    policy = (settings or {}).get("password_policy") or config.password_policy
    password = await ctx.password(policy)
    if password is None:
        raise Failed("failed to generate password: no password policy found")
    return password
