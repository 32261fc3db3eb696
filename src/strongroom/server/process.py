"""The process around the server: its loop, its signals, what it may leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import pathlib
import resource
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any, Final

import uvloop

from strongroom.errors import ConfigError

log = logging.getLogger("strongroom.server")

PR_SET_DUMPABLE: Final = 4
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4
CAP_IPC_LOCK: Final = 14
MAX_FILES: Final = 65536


class Signals:
    """What the operating system asks of the process. `stop` is set by SIGTERM and SIGINT."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._reload: Callable[[], Awaitable[None]] | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._again = False

    def on_reload(self, callback: Callable[[], Awaitable[None]]) -> None:
        """What SIGHUP does."""
        self._reload = callback

    def hang_up(self) -> None:
        """SIGHUP: reload; one that comes while reloading makes it run once more."""
        if self._reload is None:
            return
        if self._reloading is not None:
            self._again = True
            return
        self._reloading = asyncio.get_running_loop().create_task(self._run_reload(self._reload))

    async def _run_reload(self, callback: Callable[[], Awaitable[None]]) -> None:
        log.info("reload triggered")
        try:
            await callback()
        except Exception as e:
            log.error("reload failed", exc_info=e)
        self._reloading = None
        if self._again:
            self._again = False
            self.hang_up()


Main = Callable[[Signals], Coroutine[Any, Any, int]]


def run(main: Main) -> int:
    """Run the server's coroutine in a loop of its own; returns its exit status.

    The first SIGTERM or SIGINT asks it to stop, a second one breaks it off.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_main(main))
        except asyncio.CancelledError:
            return 1


async def _main(main: Main) -> int:
    signals = Signals()
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main(signals))

    def stop() -> None:
        if signals.stop.is_set():
            task.cancel()
        signals.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, signals.hang_up)
    try:
        return await task
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


def harden(*, lock_memory: bool) -> list[str]:
    """Keep secrets out of core dumps and of swap; returns what could not be done, in words for the log."""
    problems = []
    raise_file_limit()
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        problems.append("core dumps could not be disabled")
    libc = ctypes.CDLL(None, use_errno=True)
    # Not dumpable: no core dump even by a handler that ignores the limit, no reading of our memory by our own user.
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        problems.append("the process could not be made undumpable")
    if lock_memory and not _lock_memory(libc):
        problems.append(
            "memory is not locked and may be swapped to disk: grant CAP_IPC_LOCK or an unlimited RLIMIT_MEMLOCK, "
            "or set disable_mlock = true where swap is off or encrypted"
        )
    return problems


def _lock_memory(libc: ctypes.CDLL) -> bool:
    # With a limit, locking what comes later would make later allocations fail: rather not lock at all.
    _, most = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if most != resource.RLIM_INFINITY and not _may_lock():
        return False
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (most, most))
    # On fault: pages are locked when they are first used, so stacks and arenas that are only reserved cost nothing.
    return bool(libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)


def _may_lock() -> bool:
    try:
        status = pathlib.Path("/proc/self/status").read_text()
    except OSError:
        return False
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> CAP_IPC_LOCK & 1)


def raise_file_limit() -> None:
    """Allow as many open files (connections) as the system lets us, up to `MAX_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def pid_file(path: str) -> Iterator[None]:
    """A file with the process id while this lasts; nothing if `path` is empty. Raises `ConfigError`."""
    if not path:
        yield
        return
    file, own = pathlib.Path(path), str(os.getpid())
    try:
        file.write_text(own + "\n")
    except OSError as e:
        why = (e.strerror or "it failed").lower()
        raise ConfigError(f"pid_file: cannot write {path}: {why}", fix="Choose a path that can be written") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if file.read_text().strip() == own:
                file.unlink()


def banner(title: str, rows: Mapping[str, str]) -> str:
    """The lines that a server prints when it starts, their colons below each other."""
    width = max(24, *(len(name) for name in rows)) if rows else 24
    lines = [f"{name:>{width}}: {value}" for name, value in rows.items()]
    return f"==> {title}\n\n" + "\n".join(lines) + "\n"
