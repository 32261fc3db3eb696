"""Listening sockets. They are ours, not the HTTP server's.

So errors come before anything starts, a unix socket has its owner and mode before anybody can connect, and a second
server can take over the very same socket: connections wait in its queue, none is refused.
"""

from __future__ import annotations

import errno
import grp
import os
import pathlib
import pwd
import resource
import socket
import stat
from dataclasses import dataclass

from strongroom.config import Listener

BACKLOG = 1024
#: Bytes of a request line and its headers together.
MAX_HEAD = 128 << 10
MAX_HEADERS = 100
#: File descriptors left for everything but connections.
SPARE_FILES = 256


@dataclass(frozen=True, slots=True)
class Bound:
    """A listener that listens. `address` has the real port; `url` is empty for a unix socket."""

    listener: Listener
    address: str
    url: str

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS."""
        return self.url.startswith("https:")


def listen(listener: Listener) -> tuple[socket.socket, Bound]:
    """Open a listener's socket. Raises `ConfigError`."""
    return _listen_unix(listener) if listener.type == "unix" else _listen_tcp(listener)


def most_connections() -> int:
    """Connections that there are at a time; idle ones count. Beyond, no more are accepted."""
    return int(max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES, 128))


def close(sock: socket.socket) -> None:
    """Close a listening socket; the file of a unix socket goes too."""
    path = sock.getsockname() if sock.family == socket.AF_UNIX else ""
    sock.close()
    if path:
        pathlib.Path(path).unlink(missing_ok=True)


def _listen_tcp(listener: Listener) -> tuple[socket.socket, Bound]:
    host, port = listener.host, listener.port
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as e:
        raise listener.place.error(
            f"listener.tcp.address: {host} cannot be resolved ({e.strerror})", "Use an address of this machine"
        ) from None
    # Without a host: IPv6 first, since such a socket takes IPv4 as well.
    found.sort(key=lambda info: info[0] != socket.AF_INET6 if not host else 0)
    problem: OSError = OSError()
    for family, _, _, _, address in found:
        try:
            sock = _bind_tcp(family, address)
        except OSError as e:
            problem = e
            continue
        real = sock.getsockname()[:2]
        shown = f"[{real[0]}]:{real[1]}" if ":" in real[0] else f"{real[0]}:{real[1]}"
        scheme = "http" if listener.tls_disable else "https"
        return sock, Bound(listener, shown, f"{scheme}://{shown}")
    raise listener.place.error(f"cannot listen on {listener.address}: {_why(problem)}", _fix(problem))


def _bind_tcp(family: int, address: object) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # After a restart the port may still have closing connections. A second listener stays impossible.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)  # type: ignore[arg-type]  # as getaddrinfo made it
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _listen_unix(listener: Listener) -> tuple[socket.socket, Bound]:
    path = listener.address
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made = False
    try:
        _clear_stale(path)
        sock.bind(path)
        made = True
        # Before listen() nobody can connect: there is no moment with the wrong owner or mode.
        os.chown(path, *_owner(listener))
        pathlib.Path(path).chmod(listener.socket_mode or 0o600)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except (OSError, LookupError) as e:
        sock.close()
        if made:
            pathlib.Path(path).unlink(missing_ok=True)
        why = _why(e) if isinstance(e, OSError) else str(e.args[0])
        raise listener.place.error(f"cannot listen on {path}: {why}", _fix(e)) from None
    return sock, Bound(listener, path, "")


def _clear_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more; raises `OSError` if the path is in use."""
    try:
        mode = pathlib.Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "there is a file of that name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            pathlib.Path(path).unlink(missing_ok=True)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _owner(listener: Listener) -> tuple[int, int]:
    user, group = listener.socket_user, listener.socket_group
    try:
        uid = -1 if not user else int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise LookupError(f"there is no user {user}") from None
    try:
        gid = -1 if not group else int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise LookupError(f"there is no group {group}") from None
    return uid, gid


def _why(error: OSError) -> str:
    return (error.strerror or str(error) or "no usable address").lower()


def _fix(error: Exception) -> str:
    return _FIXES.get(error.errno or 0, "") if isinstance(error, OSError) else "Correct socket_user or socket_group"


_FIXES = {
    errno.EADDRINUSE: "Stop the other server or choose another address",
    errno.EADDRNOTAVAIL: "Choose an address of this machine",
    errno.EACCES: "Choose a port above 1023, or a folder that this user may write to",
    errno.EPERM: "Run as a user who may do that",
    errno.EEXIST: "Remove it or choose another path",
    errno.ENOENT: "Create the folder first",
}
