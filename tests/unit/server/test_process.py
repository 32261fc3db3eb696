from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from strongroom.errors import ConfigError
from strongroom.server.process import Signals, banner, pid_file, run


def kill(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop(number: int) -> None:
    async def main(signals: Signals) -> int:
        asyncio.get_running_loop().call_soon(kill, number)
        await signals.stop.wait()
        return 7

    assert run(main) == 7


def test_a_second_one_breaks_off() -> None:
    async def main(signals: Signals) -> int:
        kill(signal.SIGTERM)
        await signals.stop.wait()
        kill(signal.SIGTERM)
        await asyncio.Event().wait()
        return 0

    assert run(main) == 1


def test_hang_up_reloads_and_again_if_it_comes_meanwhile() -> None:
    async def main(signals: Signals) -> int:
        count, twice, go_on = 0, asyncio.Event(), asyncio.Event()

        async def reload() -> None:
            nonlocal count
            count += 1
            if count == 1:
                signals.hang_up()
                signals.hang_up()
                go_on.set()
                raise OSError(2, "No such file")
            twice.set()

        signals.on_reload(reload)
        kill(signal.SIGHUP)
        await go_on.wait()
        await twice.wait()
        return count

    assert run(main) == 2


def test_hang_up_without_anything_to_reload_is_harmless() -> None:
    async def main(signals: Signals) -> int:
        signals.hang_up()
        return 0

    assert run(main) == 0


def test_the_loop_s_errors_come_out() -> None:
    async def main(_: Signals) -> int:
        raise ConfigError("bad")

    with pytest.raises(ConfigError):
        run(main)


def test_pid_file(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "pid"
    with pid_file(str(file)):
        assert file.read_text() == f"{os.getpid()}\n"
    assert not file.exists()
    with pid_file(""):
        pass


def test_another_s_pid_file_stays(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "pid"
    with pid_file(str(file)):
        file.write_text("1\n")
    assert file.read_text() == "1\n"


def test_a_pid_file_that_cannot_be_written(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="pid_file"), pid_file(str(tmp_path / "none" / "pid")):
        pass


HARDENED = """
import ctypes, resource
from strongroom.server.process import harden
problems = harden(lock_memory={lock})
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
assert soft == min(hard, 65536) or hard == resource.RLIM_INFINITY or soft > 65536
locked = int(next(l for l in open("/proc/self/status") if l.startswith("VmLck")).split()[1])
print(bool(locked), [p for p in problems if "memory is not locked" in p] != [])
"""


@pytest.mark.parametrize("lock", [True, False])
def test_hardening_locks_memory_or_says_that_it_could_not(lock: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HARDENED.format(lock=lock)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() in (("True False", "False True") if lock else ("False False",))


def test_without_the_right_to_lock_memory_nothing_is_locked() -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))\n"
    code += "import strongroom.server.process as p; p._may_lock = lambda: False\n" + HARDENED.format(lock=True)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False True"


def test_banner() -> None:
    assert banner("Server configuration:", {"Storage": "sqlite", "A name longer than the others": "x"}) == (
        "==> Server configuration:\n\n                      Storage: sqlite\nA name longer than the others: x\n"
    )
