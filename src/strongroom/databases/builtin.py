"""Our own plugins: a row each. Drivers are heavy, so they are loaded with the first connection that needs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from strongroom.databases.plugin import Database, Plugin

_POSTGRESQL_NAME: Final = (
    '{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time)'
    " | truncate 63 }}"
)
_MYSQL_NAME: Final = (
    '{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 10) (.RoleName | truncate 10) (random 20) (unix_time)'
    " | truncate 32 }}"
)
#: For servers before MySQL 5.7, whose user names have 16 characters.
_LEGACY_NAME: Final = '{{ printf "v-%s-%s" (.RoleName | truncate 4) (random 20) | truncate 16 }}'
_KEY: Final = frozenset(("tls_certificate_key",))


def _postgresql(details: Mapping[str, Any]) -> Database:
    from strongroom.databases.postgresql import PostgreSQL

    return PostgreSQL(details)


def _mysql(details: Mapping[str, Any]) -> Database:
    from strongroom.databases.mysql import MySQL

    return MySQL(details)


BUILT_IN: Final[tuple[Plugin, ...]] = (
    Plugin("postgresql-database-plugin", _postgresql, _POSTGRESQL_NAME),
    Plugin("mysql-database-plugin", _mysql, _MYSQL_NAME, secret_settings=_KEY),
    *(
        Plugin(f"mysql-{kind}-database-plugin", _mysql, _LEGACY_NAME, secret_settings=_KEY)
        for kind in ("aurora", "rds", "legacy")
    ),
)
