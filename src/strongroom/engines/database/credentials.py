"""What a user proves itself with: passwords, and the settings of the other kinds that roles may name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.api.context import Context
from strongroom.api.fields import Invalid, parse_int, parse_text
from strongroom.engines.database.connections import Connection
from strongroom.engines.database.engine import Failed
from strongroom.engines.database.model import CREDENTIAL_TYPES, PASSWORD, RSA_KEY, Config, Role
from strongroom.errors import BadRequest

KEY_BITS: Final = (2048, 3072, 4096)
FORMATS: Final = ("pkcs8",)
#: The kinds that users are made with, and that static roles rotate.
ISSUED: Final = frozenset((PASSWORD, RSA_KEY))
ROTATED: Final = frozenset((PASSWORD,))
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


@dataclass(frozen=True, slots=True)
class Credential:
    """What a new user logs in with: a password, or the private key of `public_key` (both PEM). `shown` goes to the
    client."""

    shown: dict[str, str] = field(repr=False)
    password: str = field(default="", repr=False)
    public_key: str = ""


async def new_credential(ctx: Context, config: Config, connection: Connection, role: Role) -> Credential:
    """A credential of a role's kind; raises `BadRequest` for one that the database does not know, and `Failed`."""
    check_supported(connection, role.credential_type, ISSUED)
    if role.credential_type == RSA_KEY:
        return await asyncio.to_thread(_new_key, role.credential_config["key_bits"])
    password = await new_password(ctx, config, role.credential_config)
    return Credential({"password": password}, password=password)


def _new_key(bits: int) -> Credential:
    # Heavy, and of use to those few databases only that know keys.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, bits)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Credential({"rsa_private_key": private.decode()}, public_key=public.decode())


def check_supported(connection: Connection, kind: str, issued: frozenset[str]) -> None:
    """Refuse a kind of credential that the database does not know, or that is not issued here."""
    if kind not in connection.plugin.credential_types & issued:
        raise BadRequest(f'unsupported credential_type: "{kind}"')


async def new_password(ctx: Context, config: Config, settings: Mapping[str, Any] | None = None) -> str:
    """A password after the role's policy, the connection's, or ours; raises `Failed` when the policy is missing."""
    policy = (settings or {}).get("password_policy") or config.password_policy
    password = await ctx.password(policy)
    if password is None:
        raise Failed("failed to generate password: no password policy found")
    return password
