"""The machine's figures, read from a /proc of our own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strongroom.core import host

CPUINFO = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
stepping\t: 1
cpu MHz\t\t: 2596.122
cache size\t: 1024 KB
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu vme

processor\t: 1

Hardware\t: none
"""
MEMINFO = (
    "MemTotal: 1000 kB\nMemFree: 400 kB\nMemAvailable: 700 kB\nBuffers: 50 kB\nCached: 150 kB\nHugePages_Total: 0\n"
)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "stat").write_text("cpu  9 9 9 9\ncpu0 100 0 200 300 40 0 5\nintr 5\n")
    (tmp_path / "uptime").write_text("100.25 50.0\n")
    (tmp_path / "self").mkdir()
    (tmp_path / "42").mkdir()
    return tmp_path


def test_processors(proc: Path) -> None:
    first, second = host.cpu(proc)
    assert (first["cpu"], first["vendorId"], first["modelName"]) == (0, "AuthenticAMD", "AMD EPYC")
    assert (first["mhz"], first["cacheSize"], first["flags"]) == (2596.122, 1024, ["fpu", "vme"])
    assert (second["cpu"], second["modelName"], second["flags"]) == (1, "", [])


def test_times_are_seconds_by_processor(proc: Path) -> None:
    second = os.sysconf("SC_CLK_TCK")
    (times,) = host.cpu_times(proc)
    assert times["cpu"] == "cpu0"
    assert (times["user"] * second, times["system"] * second, times["softirq"] * second) == (100, 200, 5)


def test_memory_is_in_bytes(proc: Path) -> None:
    memory = host.memory(proc)
    assert (memory["total"], memory["available"]) == (1000 * 1024, 700 * 1024)
    assert (memory["used"], memory["usedPercent"]) == (400 * 1024, 40.0)


def test_file_systems_on_devices_once_each(proc: Path, tmp_path: Path) -> None:
    place = tmp_path / "with blank"
    place.mkdir()
    there = str(place).replace(" ", "\\040")
    lines = [
        f"/dev/a {there} ext4 rw 0 0",
        "/dev/a /again ext4 rw 0 0",
        "tmpfs /tmp tmpfs rw 0 0",
        "/dev/b /no/such xfs rw",
    ]
    (proc / "self" / "mounts").write_text("\n".join(lines))
    (disk,) = host.disk(proc)
    assert (disk["path"], disk["fstype"]) == (str(place), "ext4")
    assert disk["total"] >= disk["used"] + disk["free"] > 0
    assert 0 <= disk["usedPercent"] <= 100


def test_the_machine(proc: Path) -> None:
    shown = host.host(1000.0, proc)
    assert (shown["uptime"], shown["bootTime"], shown["procs"], shown["os"]) == (100, 899, 1, "linux")
    assert shown["hostname"]


@pytest.mark.parametrize("read", [host.cpu, host.cpu_times, host.memory, host.disk])
def test_where_there_is_no_such_thing_it_says_so(read: object, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        read(tmp_path / "nothing")  # type: ignore[operator]
