"""What could come next on a command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from strongroom.cli import catalog
from strongroom.cli.command import Command, Group, Refused
from strongroom.cli.flags import Flag, by_name
from strongroom.cli.run import Run
from strongroom.client.client import Client
from strongroom.client.errors import ClientError

_SECONDS = 2.0
_MOST = 1000
#: The shell puts an answer on the command line as it is: a name that it would read as more than a name is not offered.
_SAFE = re.compile(r"[\w./:@%+,=-]+")
_AREAS = ("data/", "metadata/", "delete/", "undelete/", "destroy/", "subkeys/")
_VALUES = {"format": ("table", "json", "yaml"), "log-level": ("trace", "debug", "info", "warn", "error")}
_VALUES |= {"log-format": ("standard", "json"), "as": ("env", "json", "yaml"), "type": ("service", "batch")}


def answer(run: Run) -> int:
    """Print the candidates for the last word, one a line; nothing when anything is amiss."""
    words = run.args or [""]
    try:
        found = candidates(run, words)
    except (ClientError, Refused):
        found = []
    for word in sorted({word for word in found if word.startswith(words[-1]) and _SAFE.fullmatch(word)}):
        run.ui.out(word)
    return 0


def candidates(run: Run, words: list[str]) -> Iterable[str]:
    """What the last of the words could become; more is given than begins like it."""
    *before, current = words
    if not before:
        return catalog.names()
    path, command, rest = catalog.find(before)
    if command is None:
        return []
    if isinstance(command, Group):
        return [child.name for child in command.commands] if not rest else []
    if "--" in rest:
        return []
    known = by_name(command.all_flags())
    arguments, waiting = _arguments(known, rest)
    if waiting is not None:
        return _flag_values(run, waiting, current)
    if current.startswith("-"):
        return _flags(run, command, current) if not arguments else []
    source = _ARGUMENTS.get((" ".join(path), len(arguments))) or _ARGUMENTS.get((" ".join(path), -1))
    return source(run, current) if source else []


def _arguments(known: dict[str, Flag], words: list[str]) -> tuple[list[str], Flag | None]:
    """What stands there beside flags, and the flag that still waits for its value."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, equals, _ = rest.pop(0).lstrip("-").partition("=")
        flag = known.get(name)
        if flag is not None and flag.kind != "bool" and not equals:
            if not rest:
                return [], flag
            rest.pop(0)
    return rest, None


def _flags(run: Run, command: Command, current: str) -> list[str]:
    dashes = "--" if current.startswith("--") else "-"
    name, equals, begun = current.lstrip("-").partition("=")
    flag = by_name(command.all_flags()).get(name)
    if equals:
        return [f"{dashes}{name}={value}" for value in _flag_values(run, flag, begun)] if flag else []
    return [f"{dashes}{one.name}" + ("" if one.kind == "bool" else "=") for one in command.all_flags()]


def _flag_values(run: Run, flag: Flag, current: str) -> Iterable[str]:
    if flag.name == "policy":
        return _policies(run, current)
    if flag.name == "mount":
        return _mounts(run, ("kv",))
    if flag.name == "secret":
        return _keys(run, current)
    return _VALUES.get(flag.name, ())


# ------------------------------------------------------------------------------------------------ what servers know
def _client(run: Run) -> Client:
    return Client(run.client.settings._replace(timeout=_SECONDS, max_retries=0, wrap_ttl=""))


def _halves(run: Run) -> dict[str, dict[str, Any]]:
    """The mounts that the token may reach: `secret` and `auth`."""
    answer = _client(run).get_json("sys/internal/ui/mounts")
    data = answer.get("data") or answer
    return {half: data.get(half) or {} for half in ("secret", "auth")}


def _mounts(run: Run, types: tuple[str, ...] = ()) -> list[str]:
    return [path for path, mount in _halves(run)["secret"].items() if not types or mount.get("type") in types]


def _listed(run: Run, path: str) -> list[str]:
    secret = _client(run).read(path.rstrip("/"), {"list": "true", "limit": str(_MOST)})
    keys = ((secret.data if secret else None) or {}).get("keys")
    return [str(key) for key in keys[:_MOST]] if isinstance(keys, list) else []


def _keys(run: Run, current: str) -> list[str]:
    """A key of a KV engine, with its mount."""
    mounts = {path: one for path, one in _halves(run)["secret"].items() if one.get("type") == "kv"}
    mount = _mount_of(mounts, current)
    if not mount:
        return list(mounts)
    folder = current[: current.rfind("/") + 1]
    below = folder.removeprefix(mount)
    listed = f"{mount}metadata/{below}" if _versioned(mounts[mount]) else folder
    return [folder + name for name in _listed(run, listed)]


def _paths(run: Run, current: str) -> list[str]:
    """Any path of the API."""
    halves = _halves(run)
    mounts = halves["secret"] | {f"auth/{path}": one for path, one in halves["auth"].items()}
    mount = _mount_of(mounts, current)
    if not mount:
        return [*mounts, "auth/", "sys/"]
    folder = current[: current.rfind("/") + 1]
    if mounts[mount].get("type") == "kv" and _versioned(mounts[mount]):
        _, slash, below = folder.removeprefix(mount).partition("/")
        if not slash:
            return [mount + one for one in _AREAS]
        return [folder + name for name in _listed(run, f"{mount}metadata/{below}")]
    return [folder + name for name in _listed(run, folder)]


def _mount_of(mounts: dict[str, Any], path: str) -> str:
    return max((mount for mount in mounts if path.startswith(mount)), key=len, default="")


def _versioned(mount: dict[str, Any]) -> bool:
    return str((mount.get("options") or {}).get("version")) == "2"


def _policies(run: Run, _: str) -> list[str]:
    return _listed(run, "sys/policies/acl")


def _engines(run: Run, _: str) -> list[str]:
    return _mounts(run)


def _methods(run: Run, _: str) -> list[str]:
    return list(_halves(run)["auth"])


def _kinds(run: Run, _: str) -> list[str]:
    return ["kv", "kv-v2"]


def _contexts(run: Run, _: str) -> list[str]:
    from strongroom.client.contexts import Contexts

    return list(Contexts.load(run.env).all)


def _shells(run: Run, _: str) -> list[str]:
    from strongroom.cli.completion import SCRIPTS

    return list(SCRIPTS)


#: Command and place of the argument (-1 for any) → who knows what it could be.
_ARGUMENTS: dict[tuple[str, int], Callable[[Run, str], Iterable[str]]] = {
    **{(name, 0): _paths for name in ("read", "write", "patch", "delete", "list", "path-help")},
    **{(f"kv {name}", 0): _keys for name in ("get", "put", "patch", "delete", "undelete", "destroy", "rollback")},
    **{(f"kv {name}", 0): _keys for name in ("list", "find", "tree", "diff", "export", "import")},
    **{(f"kv metadata {name}", 0): _keys for name in ("get", "put", "patch", "delete")},
    **{(f"kv {name}", -1): _keys for name in ("mv", "cp")},
    ("kv enable-versioning", 0): _engines,
    **{(f"secrets {name}", 0): _engines for name in ("disable", "tune")},
    ("secrets move", -1): _engines,
    ("secrets enable", 0): _kinds,
    **{(f"auth {name}", 0): _methods for name in ("disable", "tune", "help", "doctor", "last-logins")},
    **{(f"policy {name}", 0): _policies for name in ("read", "write", "delete")},
    ("policy explain", 0): _paths,
    ("token capabilities", -1): _paths,
    **{(f"ctx {name}", 0): _contexts for name in ("use", "delete", "set")},
    ("completion", 0): _shells,
}
