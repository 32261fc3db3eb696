"""Which module holds which command, so that a run imports only its own."""

from __future__ import annotations

from importlib import import_module

from strongroom.cli.command import Command, Group

#: Command → module that has it. A module's `COMMANDS` are its commands and groups.
_MODULES = {
    "__complete": "completion",
    "audit": "audit",
    "auth": "auth",
    "completion": "completion",
    "ctx": "ctx",
    "database": "database",
    "debug": "debug",
    "delete": "basic",
    "kv": "kv",
    "lease": "lease",
    "list": "basic",
    "login": "login",
    "monitor": "monitor",
    "operator": "operator",
    "patch": "basic",
    "path-help": "basic",
    "plugin": "plugin",
    "policy": "policy",
    "print": "about",
    "read": "basic",
    "run": "launch",
    "secrets": "secrets",
    "server": "server",
    "status": "status",
    "token": "token",
    "transit": "transit",
    "unwrap": "basic",
    "version": "about",
    "version-history": "basic",
    "write": "basic",
}


#: Commands of Vault's that are none here, and what to do instead.
ABSENT = {
    "agent": 'There is no agent. Programs get their secrets through "run", or from the API.',
    "events": "There are no event notifications. The audit log tells of every request.",
    "namespace": "There are no namespaces: they are part of Vault Enterprise. Mounts and policies keep teams apart.",
    "proxy": "There is no proxy. Programs talk to the server itself.",
}


def names() -> list[str]:
    """All top commands that people type, sorted."""
    return sorted(name for name in _MODULES if name[0] != "_")


def load(name: str) -> Command | Group:
    """A top command by name."""
    module = import_module(f"strongroom.cli.{_MODULES[name]}")
    commands: tuple[Command | Group, ...] = module.COMMANDS
    return next(command for command in commands if command.name == name)


def find(words: list[str]) -> tuple[list[str], Command | Group | None, list[str]]:
    """Follow the words down to a command: its path, the command, and what is left. None if the first is unknown."""
    if words[0] not in _MODULES:
        return [], None, words
    command = load(words[0])
    path, rest = [words[0]], words[1:]
    while isinstance(command, Group) and rest and (child := command.find(rest[0])):
        path.append(rest[0])
        command, rest = child, rest[1:]
    return path, command, rest
