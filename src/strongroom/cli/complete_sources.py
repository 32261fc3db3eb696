"""Where the candidates of flags and arguments come from: the server, the disk, or a list of what there is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from strongroom.cli.flags import Flag
from strongroom.cli.run import Run
from strongroom.client.client import Client

#: Candidates, or candidates with what they mean.
Words = Iterable[str] | Mapping[str, str]

_SECONDS = 2.0
_MOST = 1000
_AREAS = ("data/", "metadata/", "delete/", "undelete/", "destroy/", "subkeys/")
_LEVELS = ("trace", "debug", "info", "warn", "error")


def for_argument(run: Run, path: list[str], arguments: list[str], current: str) -> Words:
    """What an argument could be, by the command and by how many stand before it."""
    name = " ".join(path)
    if name in _KEEPS_DATA and arguments:
        return _data(current)
    source = _ARGUMENTS.get((name, len(arguments))) or _ARGUMENTS.get((name, -1))
    return source(run, current) if source else ()


def for_flag(run: Run, path: list[str], flag: Flag, current: str) -> Words:
    """What a flag's value could be; a flag of one command comes before one that several have."""
    source = _FLAGS.get(f"{' '.join(path)} -{flag.name}") or _FLAGS.get(f"-{flag.name}")
    if source is None and flag.kind == "bool":
        return ("true", "false")
    return source(run, current) if source else ()


# ------------------------------------------------------------------------------------------------ what servers know
def _client(run: Run) -> Client:
    return Client(run.client.settings._replace(timeout=_SECONDS, max_retries=0, wrap_ttl=""))


def _halves(run: Run) -> dict[str, dict[str, Any]]:
    """The mounts that the token may reach: `secret` and `auth`."""
    answer = _client(run).get_json("sys/internal/ui/mounts")
    data = answer.get("data") or answer
    return {half: data.get(half) or {} for half in ("secret", "auth")}


def _mounts(run: Run, *types: str) -> dict[str, str]:
    mounts = _halves(run)["secret"].items()
    return {path: str(one.get("description") or "") for path, one in mounts if not types or one.get("type") in types}


def _listed(run: Run, path: str, begun: str = "") -> list[str]:
    """The names at a path that begin so; of very many only as many as a person reads."""
    params = {"list": "true", "limit": str(_MOST)}
    if begun:  # starts right before them, where the server can
        params["after"] = begun[:-1] + chr(max(ord(begun[-1]) - 1, 1)) + "\U0010ffff"
    secret = _client(run).read(path.rstrip("/"), params)
    keys = ((secret.data if secret else None) or {}).get("keys")
    names = map(str, keys) if isinstance(keys, list) else ()
    return [name for name in names if name.startswith(begun)][:_MOST]


def _keys(run: Run, current: str) -> Words:
    """A key of a KV engine, with its mount."""
    mounts = {path: one for path, one in _halves(run)["secret"].items() if one.get("type") == "kv"}
    mount = _mount_of(mounts, current)
    if not mount:
        return mounts
    folder, begun = _split(current)
    below = folder.removeprefix(mount)
    listed = f"{mount}metadata/{below}" if _versioned(mounts[mount]) else folder
    return [folder + name for name in _listed(run, listed, begun)]


def _paths(run: Run, current: str) -> Words:
    """Any path of the API."""
    halves = _halves(run)
    mounts = halves["secret"] | {f"auth/{path}": one for path, one in halves["auth"].items()}
    mount = _mount_of(mounts, current)
    if not mount:
        return [*mounts, "auth/", "sys/"]
    folder, begun = _split(current)
    if mounts[mount].get("type") == "kv" and _versioned(mounts[mount]):
        _, slash, below = folder.removeprefix(mount).partition("/")
        if not slash:
            return [mount + one for one in _AREAS]
        return [folder + name for name in _listed(run, f"{mount}metadata/{below}", begun)]
    return [folder + name for name in _listed(run, folder, begun)]


def _split(path: str) -> tuple[str, str]:
    """The folder with its slash, and what is typed of a name in it."""
    place = path.rfind("/") + 1
    return path[:place], path[place:]


def _mount_of(mounts: dict[str, Any], path: str) -> str:
    return max((mount for mount in mounts if path.startswith(mount)), key=len, default="")


def _versioned(mount: dict[str, Any]) -> bool:
    return str((mount.get("options") or {}).get("version")) == "2"


def _policies(run: Run, _: str) -> Words:
    return _listed(run, "sys/policies/acl")


def _engines(run: Run, _: str) -> Words:
    return _mounts(run)


def _kv_mounts(run: Run, _: str) -> Words:
    return _mounts(run, "kv")


def _methods(run: Run, _: str) -> Words:
    return {path: str(one.get("description") or "") for path, one in _halves(run)["auth"].items()}


def _devices(run: Run, _: str) -> Words:
    return _client(run).get_json("sys/audit").get("data") or {}


def _roles(run: Run, _: str) -> Words:
    return _listed(run, "auth/token/roles")


def _plugins(kind: str) -> Callable[[Run, str], Words]:
    def known(run: Run, _: str) -> Words:
        found = ((_client(run).get_json("sys/plugins/catalog").get("data")) or {}).get(kind) or []
        return [*map(str, found), *(["kv-v2"] if kind == "secret" else [])]

    return known


# ------------------------------------------------------------------------------------------------ what is here
def files(begun: str) -> list[str]:
    """Files and folders whose path begins so; folders end in a slash, hidden ones want their dot."""
    folder, name = _split(begun)
    home = os.path.expanduser(folder) if folder.startswith("~") else folder  # noqa: PTH111
    try:
        with os.scandir(home or ".") as entries:
            found = [entry.name + "/" * entry.is_dir() for entry in entries if entry.name.startswith(name)]
    except OSError:
        return []
    return [folder + one for one in found if name or not one.startswith(".")]


def programs(begun: str) -> list[str]:
    """Programs whose name, or path, begins so."""
    if "/" in begun:
        return files(begun)
    found = []
    for folder in os.get_exec_path():
        try:
            with os.scandir(folder) as entries:
                found += [one.name for one in entries if one.name.startswith(begun) and os.access(one.path, os.X_OK)]
        except OSError:
            continue
    return found


def _files(_: Run, current: str) -> Words:
    return files(current)


def _data(current: str) -> Words:
    """Data: only a file after `@` can be guessed."""
    before, at, begun = current.partition("@")
    if not at or (before and not before.endswith("=")):
        return ()
    return [f"{before}@{name}" for name in files(begun)]


def _contexts(run: Run, _: str) -> Words:
    from strongroom.client.contexts import Contexts

    return {name: one.address for name, one in Contexts.load(run.env).all.items()}


def _shells(_run: Run, _: str) -> Words:
    from strongroom.cli.completion import SCRIPTS

    return SCRIPTS.keys()


def _login_methods(_run: Run, _: str) -> Words:
    from strongroom.cli.login import METHODS

    return METHODS


def _from(*words: str) -> Callable[[Run, str], Words]:
    return lambda _run, _: words


_KEEPS_DATA = frozenset({"write", "patch", "login", "kv put", "kv patch"})

#: Command and place of the argument (-1 for any) → who knows what it could be.
_ARGUMENTS: dict[tuple[str, int], Callable[[Run, str], Words]] = {
    **{(name, 0): _paths for name in ("read", "write", "patch", "delete", "list", "path-help")},
    **{(f"kv {name}", 0): _keys for name in ("get", "put", "patch", "delete", "undelete", "destroy", "rollback")},
    **{(f"kv {name}", 0): _keys for name in ("list", "find", "tree", "stale", "diff", "export", "import")},
    **{(f"kv metadata {name}", 0): _keys for name in ("get", "put", "patch", "delete")},
    **{(f"kv {name}", -1): _keys for name in ("mv", "cp")},
    ("kv import", 1): _files,
    **{(f"transit {name}-file", 1): _files for name in ("encrypt", "decrypt", "rewrap")},
    ("kv enable-versioning", 0): _kv_mounts,
    **{(f"secrets {name}", 0): _engines for name in ("disable", "tune")},
    ("secrets move", -1): _engines,
    ("secrets enable", 0): _plugins("secret"),
    **{(f"auth {name}", 0): _methods for name in ("disable", "tune", "help", "doctor", "last-logins", "move")},
    ("auth enable", 0): _plugins("auth"),
    ("audit enable", 0): _from("file", "socket", "syslog"),
    ("audit disable", 0): _devices,
    **{(f"policy {name}", 0): _policies for name in ("read", "write", "delete")},
    ("policy write", 1): _files,
    ("policy fmt", 0): _files,
    ("policy explain", 0): _paths,
    ("token capabilities", -1): _paths,
    **{(f"operator raft snapshot {name}", 0): _files for name in ("save", "restore", "inspect")},
    **{
        (f"plugin {name}", 0): _from("auth", "database", "secret")
        for name in ("info", "list", "register", "deregister")
    },
    **{(f"ctx {name}", 0): _contexts for name in ("use", "delete", "set")},
    ("completion", 0): _shells,
}
#: Flag, after its command where others mean something else by it → who knows what it could be.
_FLAGS: dict[str, Callable[[Run, str], Words]] = {
    "-as": _from("env", "json", "yaml"),
    "-format": _from("table", "json", "yaml"),
    "read -format": _from("table", "json", "yaml", "raw"),
    "-log-format": _from("standard", "json"),
    "-log-level": _from(*_LEVELS),
    "-listing-visibility": _from("unauth", "hidden"),
    "login -method": _login_methods,
    "-mount": _kv_mounts,
    "-policy": _policies,
    "-secret": _keys,
    "token create -role": _roles,
    "token create -type": _from("service", "batch"),
    "token revoke -mode": _from("orphan", "path"),
    "-token-type": _from("default-service", "default-batch", "service", "batch"),
    **{f"-{name}": _files for name in ("ca-cert", "ca-path", "client-cert", "client-key", "config", "output")},
    **{
        f"-{name}": _files
        for name in ("log-file", "pgp-key", "pgp-keys", "root-token-pgp-key", "dev-tls-cert-dir", "recovery-pgp-keys")
    },
}
