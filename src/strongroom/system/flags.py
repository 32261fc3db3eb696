"""Flags that whole families of the system backend's endpoints share."""

from __future__ import annotations

from typing import Final, TypedDict


class StatusFlags(TypedDict):
    """For what anybody may ask or say in any state of the server."""

    unauthenticated: bool
    sealed_ok: bool
    standby_local: bool
    unaudited: bool
    no_wrap: bool
    terse: bool


class ShareFlags(TypedDict):
    """For what the holders of key shares do, who prove themselves by their shares and need no token."""

    unauthenticated: bool
    no_wrap: bool
    terse: bool


STATUS: Final[StatusFlags] = {
    "unauthenticated": True,
    "sealed_ok": True,
    "standby_local": True,
    "unaudited": True,
    "no_wrap": True,
    "terse": True,
}
SHARE: Final[ShareFlags] = {"unauthenticated": True, "no_wrap": True, "terse": True}
