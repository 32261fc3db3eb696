"""Reading a connection's settings, which arrive as clients wrote them: `4` and `"4"`, `5` and `"5s"` mean the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from strongroom.api.fields import Invalid, parse_bool, parse_duration, parse_int, parse_text
from strongroom.databases.plugin import SettingError

T = TypeVar("T")

MOST_CONNECTIONS: Final = 4
PLACEHOLDERS: Final = ("{{username}}", "{{password}}")


def text(details: Mapping[str, Any], name: str, default: str = "") -> str:
    """A setting that is text."""
    return _read(details, name, parse_text, default)


def truth(details: Mapping[str, Any], name: str) -> bool:
    """A setting that is true or false; false when it is not there."""
    return _read(details, name, parse_bool, False)


def _read(details: Mapping[str, Any], name: str, parse: Callable[[Any], T], default: T) -> T:
    value = details.get(name)
    if value is None:
        return default
    try:
        return parse(value)
    except Invalid as error:
        raise SettingError(f"invalid {name}: {error}") from None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections, and how long each is used, in seconds (0: as long as it lives)."""

    most: int = MOST_CONNECTIONS
    idle: int = MOST_CONNECTIONS
    lifetime: float = 0.0


def limits(details: Mapping[str, Any]) -> Limits:
    """`max_open_connections` (4), `max_idle_connections` (as many; below 0 none), `max_connection_lifetime` (0s)."""
    most = _read(details, "max_open_connections", parse_int, 0) or MOST_CONNECTIONS
    if most < 0:
        most = 1000  # Vault's word for "any number"; some bound there must be
    idle = _read(details, "max_idle_connections", parse_int, 0) or most
    lifetime = _read(details, "max_connection_lifetime", parse_duration, 0.0)
    return Limits(most, max(0, min(idle, most)), max(0.0, lifetime))


def user_and_password(details: Mapping[str, Any]) -> tuple[str, str]:
    """The name and password that the placeholders of `connection_url` stand for."""
    username, password = text(details, "username"), text(details, "password")
    if any(mark in value for mark in PLACEHOLDERS for value in (username, password)):
        raise SettingError("username and/or password cannot contain the template variables")
    return username, password


def connection_url(details: Mapping[str, Any]) -> str:
    """The URL, with its placeholders."""
    url = text(details, "connection_url")
    if not url:
        raise SettingError("connection_url cannot be empty")
    return url
