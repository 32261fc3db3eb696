"""The machine's figures, as Linux has them in /proc; names and units are those of Vault's host-info.

Every function raises `OSError` or `ValueError` where there is no such thing.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path
from typing import Any, Final

PROC: Final = Path("/proc")
KIB: Final = 1024
#: The columns of a line of /proc/stat.
_TIMES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guestNice")
_MEMORY: Final = {
    "MemTotal": "total",
    "MemAvailable": "available",
    "MemFree": "free",
    "Active": "active",
    "Inactive": "inactive",
    "Buffers": "buffers",
    "Cached": "cached",
    "Dirty": "dirty",
    "Writeback": "writeback",
    "Shmem": "shared",
    "Slab": "slab",
    "PageTables": "page_tables",
    "SwapCached": "swap_cached",
    "SwapTotal": "swap_total",
    "SwapFree": "swap_free",
}


def cpu(proc: Path = PROC) -> list[dict[str, Any]]:
    """The processors, one entry each."""
    found = []
    for block in (proc / "cpuinfo").read_text().strip().split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        row = {name.strip(): value.strip() for name, _, value in pairs}
        if "processor" not in row:
            continue
        found.append(
            {
                "cpu": int(row["processor"]),
                "vendorId": row.get("vendor_id", ""),
                "family": row.get("cpu family", ""),
                "model": row.get("model", ""),
                "stepping": int(row.get("stepping", "0")),
                "physicalId": row.get("physical id", ""),
                "coreId": row.get("core id", ""),
                "cores": 1,
                "modelName": row.get("model name", ""),
                "mhz": float(row.get("cpu MHz", "0")),
                "cacheSize": int(row.get("cache size", "0").split()[0]),
                "flags": (row.get("flags") or row.get("Features", "")).split(),
                "microcode": row.get("microcode", ""),
            }
        )
    return found


def cpu_times(proc: Path = PROC) -> list[dict[str, Any]]:
    """What the processors have spent their time with since the start, in seconds."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = []
    for line in (proc / "stat").read_text().splitlines():
        name, *columns = line.split()
        if name.startswith("cpu") and name != "cpu":
            seconds = (int(column) / ticks for column in columns)
            found.append({"cpu": name, **dict(zip(_TIMES, seconds, strict=False))})
    return found


def memory(proc: Path = PROC) -> dict[str, Any]:
    """The memory, in bytes."""
    lines = (line.partition(":") for line in (proc / "meminfo").read_text().splitlines())
    sizes = {name: int(value.split()[0]) * KIB for name, _, value in lines if value.split()}
    shown: dict[str, Any] = {ours: sizes[theirs] for theirs, ours in _MEMORY.items() if theirs in sizes}
    shown["used"] = shown["total"] - shown["free"] - shown.get("buffers", 0) - shown.get("cached", 0)
    shown["usedPercent"] = 100 * shown["used"] / shown["total"]
    return shown


def disk(proc: Path = PROC) -> list[dict[str, Any]]:
    """The file systems on devices, each once: how full they are, in bytes."""
    found: dict[str, dict[str, Any]] = {}
    for line in (proc / "self" / "mounts").read_text().splitlines():
        device, path, kind = line.split()[:3]
        path = path.encode().decode("unicode_escape")  # blanks are \040
        if not device.startswith("/") or device in found:
            continue
        try:
            usage, nodes = shutil.disk_usage(path), os.statvfs(path)
        except OSError:
            continue  # not for us, or gone meanwhile
        inodes_used = nodes.f_files - nodes.f_ffree
        found[device] = {
            "path": path,
            "fstype": kind,
            "total": usage.total,
            "free": usage.free,
            "used": usage.used,
            "usedPercent": 100 * usage.used / (usage.used + usage.free or 1),
            "inodesTotal": nodes.f_files,
            "inodesUsed": inodes_used,
            "inodesFree": nodes.f_ffree,
            "inodesUsedPercent": 100 * inodes_used / (nodes.f_files or 1),
        }
    return list(found.values())


def host(now: float, proc: Path = PROC) -> dict[str, Any]:
    """The machine and its system; `now` is Unix time in seconds."""
    uptime = float((proc / "uptime").read_text().split()[0])
    release = platform.freedesktop_os_release()
    family = (release.get("ID_LIKE") or release.get("ID", "")).split()
    return {
        "hostname": socket.gethostname(),
        "uptime": int(uptime),
        "bootTime": int(now - uptime),
        "procs": sum(entry.name.isdecimal() for entry in proc.iterdir()),
        "os": platform.system().lower(),
        "platform": release.get("ID", ""),
        "platformFamily": family[0] if family else "",
        "platformVersion": release.get("VERSION_ID", ""),
        "kernelVersion": platform.release(),
        "kernelArch": platform.machine(),
    }
