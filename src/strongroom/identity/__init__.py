"""The `identity/` mount: entities, their aliases and groups, as operators see them. Its state is core/identity.py.

Source: Vault's identity API documentation and recorded answers.
"""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend, backend
from strongroom.identity import (
    aliases,
    entities,
    group_aliases,
    groups,
    lookup,
    mfa_enforcements,
    mfa_secrets,
    oidc_assignments,
    oidc_authorize,
    oidc_clients,
    oidc_exchange,
    oidc_keys,
    oidc_providers,
    oidc_roles,
    oidc_scopes,
    oidc_tokens,
)
from strongroom.identity.engine import identity

__all__ = [
    "BACKEND",
    "aliases",
    "entities",
    "group_aliases",
    "groups",
    "identity",
    "lookup",
    "mfa_enforcements",
    "mfa_secrets",
    "oidc_assignments",
    "oidc_authorize",
    "oidc_clients",
    "oidc_exchange",
    "oidc_keys",
    "oidc_providers",
    "oidc_roles",
    "oidc_scopes",
    "oidc_tokens",
]

BACKEND: Final[Backend] = backend(identity, mountable=False, privileged=True)
