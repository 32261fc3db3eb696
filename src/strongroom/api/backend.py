"""`Backend`: how a type of mount is offered to the catalog, by us and by third parties alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from strongroom.api.routes import Engine

Options = Mapping[str, str]
Upgrade = Callable[[Any, Options, Options], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Backend:
    """One type of mount.

    `choose` picks the engine for a mount's options (the versions of KV are two engines). `prepare` checks options at
    mounting and tuning and fills them in; it raises `BadRequest`. `aliases` are other type names with the options that
    they imply. `upgrade` is called in the tuning request when options change.
    """

    type: str
    kind: str
    choose: Callable[[Options], Engine[Any]]
    prepare: Callable[[Options], dict[str, str]] = dict
    aliases: Mapping[str, Options] = field(default_factory=dict)
    upgrade: Upgrade | None = None
    #: False for what the server mounts itself, once.
    mountable: bool = True
    #: The version of the Python package that it comes from (`v1.2.0`); "" for what is built in.
    version: str = ""
    #: Whether its handlers get the core itself (`SystemContext`); only ours, and only where nothing else will do.
    privileged: bool = False


def backend(engine: Engine[Any], **more: Any) -> Backend:
    """The row of a type with a single engine."""
    return Backend(type=engine.type, kind=engine.kind, choose=lambda _: engine, **more)
