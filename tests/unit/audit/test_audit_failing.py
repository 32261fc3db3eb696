"""Sinks that fail in every way: what works goes on, what fails alone refuses, and nobody waits for what hangs."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from strongroom.api.messages import Operation, Request
from strongroom.audit import disks
from strongroom.audit.broker import Broker
from strongroom.audit.device import Device
from strongroom.audit.entry import Exchange
from strongroom.audit.file import FileDevice
from strongroom.audit.socket import SocketDevice
from strongroom.clock import Clock
from strongroom.errors import InternalError


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can get to."""
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


@contextmanager
def nobody() -> Iterator[None]:
    """As an ordinary user: to root no folder is read-only."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@contextmanager
def full_disk() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def file(place: Path | str, **options: str) -> FileDevice:
    return FileDevice("bad/", "salt", {"file_path": str(place), **options})


def read_only(folder: Path, stack: ExitStack) -> Device:
    folder.chmod(0o555)
    stack.enter_context(nobody())
    return file(folder / "audit.log")


def read_only_subfolder(folder: Path, stack: ExitStack) -> Device:
    folder.chmod(0o555)
    stack.enter_context(nobody())
    return file(folder / "logs" / "audit.log")


def full(folder: Path, stack: ExitStack) -> Device:
    stack.enter_context(full_disk())
    (folder / "audit.log").write_bytes(b"\n")
    return file(folder / "audit.log")


def no_space(folder: Path, stack: ExitStack) -> Device:
    return file("/dev/full", mode="0000")


def in_the_way(folder: Path, stack: ExitStack) -> Device:
    (folder / "logs").write_bytes(b"a file where the folder was")
    return file(folder / "logs" / "audit.log")


def a_folder(folder: Path, stack: ExitStack) -> Device:
    return file(folder)


def unread_pipe(folder: Path, stack: ExitStack) -> Device:
    os.mkfifo(folder / "pipe")
    return file(folder / "pipe")


def standing_still(folder: Path, stack: ExitStack) -> Device:
    os.mkfifo(folder / "pipe")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    stack.callback(os.close, reader)
    filler = os.open(folder / "pipe", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while os.write(filler, b"x" * 4096):
            pass
    os.close(filler)
    made = file(folder / "pipe")
    made._pump.deadline = 0.05
    return made


def no_collector(folder: Path, stack: ExitStack) -> Device:
    return SocketDevice("bad/", "salt", {"address": str(folder / "socket"), "socket_type": "unix"})


SINKS = (
    read_only,
    read_only_subfolder,
    full,
    no_space,
    in_the_way,
    a_folder,
    unread_pipe,
    standing_still,
    no_collector,
)


class Memory(Device):
    type = "memory"

    def __init__(self) -> None:
        super().__init__("good/", "salt", {})
        self.lines: list[bytes] = []

    @property
    def target(self) -> str:
        return "memory"

    async def open(self) -> None:
        return None

    async def write(self, line: bytes) -> None:
        self.lines.append(line)


def exchange() -> Exchange:
    return Exchange(Request(id="1", operation=Operation.READ, path="secret/data/a"))


async def opened(device: Device) -> Device:
    with suppress(OSError):  # as at unseal: reported there, and tried again with every line
        await device.open()
    return device


@pytest.mark.parametrize("other", ["none", "before", "after", "failing"])
@pytest.mark.parametrize("sink", SINKS)
def test_a_failing_sink_refuses_alone_and_stops_nothing_beside_one_that_works(
    folder: Path, sink: Callable[[Path, ExitStack], Device], other: str
) -> None:
    async def work(stack: ExitStack) -> None:
        broker, good = Broker(Clock()), Memory()
        bad = sink(folder, stack)
        if other == "before":
            broker.add(good)
        broker.add(await opened(bad))
        if other == "after":
            broker.add(good)
        elif other == "failing":
            broker.add(await opened(file("/dev/full", mode="0000")))
        for record in (broker.request, broker.response):
            if other in ("before", "after"):
                await record(exchange())
            else:
                with pytest.raises(InternalError) as caught:
                    await record(exchange())
                assert caught.value.errors == ["internal error"]
        assert len(good.lines) == (2 if other in ("before", "after") else 0)
        for device in broker.devices:
            await device.close()

    with ExitStack() as stack:
        asyncio.run(work(stack))


def test_a_vanished_folder_is_made_again_and_a_returned_sink_takes_lines(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileDevice, "check_interval", 0.0)

    async def work() -> None:
        broker = Broker(Clock())
        broker.add(await opened(file(folder / "logs" / "audit.log")))
        await broker.request(exchange())
        shutil.rmtree(folder / "logs")
        await broker.request(exchange())
        assert (folder / "logs" / "audit.log").read_bytes().count(b"\n") == 1
        shutil.rmtree(folder / "logs")
        (folder / "logs").write_bytes(b"")
        with pytest.raises(InternalError):
            await broker.request(exchange())
        (folder / "logs").unlink()
        await broker.request(exchange())
        assert (folder / "logs" / "audit.log").read_bytes().count(b"\n") == 1
        await broker.devices[0].close()

    asyncio.run(work())


# -- Disks that stand still --------------------------------------------------------------------------------------------


class Disk:
    """Takes the place of `os.write`: who wrote how much, and a gate that every write has to pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[int] = []
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self._whole = os.write
        monkeypatch.setattr("strongroom.audit.file.os.write", self)

    def __call__(self, fd: int, data: bytes) -> int:
        self.threads.append(threading.get_ident())
        self.sizes.append(bytes(data).count(b"\n"))
        self.gate.wait()
        return self._whole(fd, data)


async def idle(made: FileDevice) -> None:
    """Wait until the thread is through with all that it was given."""
    while made._pump.busy:  # noqa: ASYNC110 - there is nothing to wait for but the thread
        await asyncio.sleep(0)


async def several_turns(made: FileDevice, count: int) -> list[asyncio.Task[None]]:
    """Lines that each come in a turn of their own."""
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.ensure_future(made.write(b"line\n")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(FileDevice, "check_interval", 1e9)
    return Disk(monkeypatch)


def test_a_local_file_is_written_on_the_loop_as_long_as_it_is_the_only_device(folder: Path, disk: Disk) -> None:
    async def work() -> None:
        broker = Broker(Clock())
        broker.add(await opened(file(folder / "audit.log")))
        await broker.request(exchange())
        broker.add(Memory())
        await broker.request(exchange())
        broker.remove("good/")
        await broker.request(exchange())
        loop = threading.get_ident()
        assert [thread == loop for thread in disk.threads] == [True, False, True]
        await broker.devices[0].close()

    asyncio.run(work())


def test_the_first_hang_of_a_local_disk_holds_up_nobody_beside_a_device_that_works(
    folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileDevice, "slow_seconds", 0.01)
    made = file(folder / "audit.log")

    async def work() -> None:
        broker, good = Broker(Clock()), Memory()
        broker.add(await opened(made))
        broker.add(good)
        disk.gate.clear()
        made._pump.deadline = 0.05
        for _ in range(20):
            await broker.request(exchange())
        assert len(good.lines) == 20
        broker.remove("good/")
        with pytest.raises(InternalError):
            await broker.request(exchange())
        disk.gate.set()
        made._pump.deadline = 60
        await idle(made)
        await broker.request(exchange())
        await made.close()

    asyncio.run(work())
    # What was given up was written all the same once the disk went on: a line too many, never one too few.
    assert (folder / "audit.log").read_bytes().count(b"\n") == 2


def test_a_line_that_is_written_late_but_in_time_counts(
    folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileDevice, "slow_seconds", 0.01)
    made = file(folder / "audit.log")
    made._pump.deadline = 60
    made.alone = False

    async def work() -> None:
        await made.open()
        disk.gate.clear()
        writing = asyncio.gather(*(made.write(b"line\n") for _ in range(5)))
        while not disk.threads:  # noqa: ASYNC110 - there is nothing to wait for but the thread
            await asyncio.sleep(0)
        assert not writing.done()
        disk.gate.set()
        await writing
        await made.close()

    asyncio.run(work())
    assert disk.sizes == [5]


@pytest.mark.parametrize("alone", [True, False])
def test_after_a_slow_write_lines_are_for_the_thread_and_what_comes_meanwhile_is_written_at_once(
    folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    monkeypatch.setattr(FileDevice, "slow_seconds", 0.0)
    made = file(folder / "audit.log")
    made._pump.deadline = 60
    made.alone = alone

    async def work() -> None:
        await made.open()
        await made.write(b"slow\n")
        disk.gate.clear()
        tasks = [asyncio.ensure_future(made.write(b"line\n"))]
        while len(disk.threads) < 2:  # noqa: ASYNC110 - there is nothing to wait for but the thread
            await asyncio.sleep(0)
        tasks += await several_turns(made, 9)
        disk.gate.set()
        await asyncio.gather(*tasks)
        await made.close()

    asyncio.run(work())
    assert disk.sizes == [1, 1, 9]
    assert disk.threads[0] == disk.threads[1] or alone
    assert disk.threads[1] == disk.threads[2] != threading.get_ident()


def test_what_is_written_together_fails_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileDevice, "check_interval", 1e9)
    monkeypatch.setattr(FileDevice, "slow_seconds", 0.0)
    made = file(folder / "audit.log")
    made._pump.deadline = 60
    gate, calls = threading.Event(), []

    def full(fd: int, data: bytes) -> int:
        calls.append(data)
        gate.wait()
        raise OSError(28, "No space left on device")

    async def work() -> None:
        await made.open()
        await made.write(b"slow\n")
        monkeypatch.setattr("strongroom.audit.file.os.write", full)
        tasks = await several_turns(made, 5)
        gate.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(each) for each in ended] == ["[Errno 28] No space left on device"] * 5
        assert not made._batches._queued
        await made.close()

    asyncio.run(work())


def test_what_is_refused_does_not_pile_up(folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileDevice, "slow_seconds", 0.0)
    made = file(folder / "audit.log")

    async def work() -> None:
        await made.open()
        await made.write(b"slow\n")
        disk.gate.clear()
        made._pump.deadline = 0.01
        for _ in range(100):
            with pytest.raises(OSError, match=r"not written|still waiting"):
                await made.write(b"line\n")
        assert len(made._batches._queued) <= 1
        assert made._pump.busy == 1
        disk.gate.set()
        await idle(made)
        await made.close()

    asyncio.run(work())


def test_a_deleted_file_that_cannot_be_made_again_takes_no_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = file(folder / "logs" / "audit.log")

    async def work() -> None:
        await made.open()
        shutil.rmtree(folder / "logs")
        (folder / "logs").write_bytes(b"")
        made._next_check = 0.0
        for _ in range(3):
            with pytest.raises(OSError, match="sanity check failed"):
                await made.write(b"line\n")
        (folder / "logs").unlink()
        await made.write(b"line\n")
        assert (folder / "logs" / "audit.log").read_bytes() == b"line\n"
        await made.close()

    asyncio.run(work())


def test_a_disk_that_was_slow_gets_another_chance(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = file(folder / "audit.log")
    now = [1000.0]
    monkeypatch.setattr("strongroom.audit.file.time.monotonic", lambda: now[0])
    made.check_interval = 1e9  # type: ignore[misc]
    threads: list[int] = []
    whole = os.write

    def watched(fd: int, data: bytes) -> int:
        threads.append(threading.get_ident())
        now[0] += 0.2 if len(threads) == 1 else 0.0
        return whole(fd, data)

    async def work() -> None:
        await made.open()
        monkeypatch.setattr("strongroom.audit.file.os.write", watched)
        await made.write(b"slow\n")
        await made.write(b"thread\n")
        now[0] += 61
        await made.write(b"again\n")
        loop = threading.get_ident()
        assert [thread == loop for thread in threads] == [True, False, True]
        await made.close()

    asyncio.run(work())


def mountinfo(fd: int, kind: str) -> str:
    device = os.fstat(fd).st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    return (
        "25 1 254:77 / /else rw,relatime shared:1 - nfs4 host:/else rw\n"
        f"26 1 {name} / /here rw,relatime shared:2 master:3 - {kind} host:/a rw,addr=1\n"
    )


@pytest.mark.parametrize(
    ("kind", "remote"),
    [
        ("ext4", False),
        ("xfs", False),
        ("tmpfs", False),
        ("overlay", False),
        ("nfs", True),
        ("nfs4", True),
        ("cifs", True),
        ("smb3", True),
        ("fuse.sshfs", True),
        ("fuse", True),
        ("fuseblk", False),
        ("9p", True),
        ("ceph", True),
    ],
)
def test_file_systems_of_other_machines_are_for_the_thread_from_the_first_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, remote: bool
) -> None:
    place = folder / "audit.log"
    with place.open("wb") as opened_file:
        info = folder / "mountinfo"
        info.write_text(mountinfo(opened_file.fileno(), kind))
        monkeypatch.setattr(disks, "MOUNTS", info)
        assert disks.remote(opened_file.fileno()) is remote
    made = file(place)
    threads: list[int] = []
    whole = os.write

    def watched(fd: int, data: bytes) -> int:
        threads.append(threading.get_ident())
        return whole(fd, data)

    async def work() -> None:
        await made.open()
        monkeypatch.setattr("strongroom.audit.file.os.write", watched)
        await made.write(b"x\n")
        assert (threads[0] != threading.get_ident()) is remote
        await made.close()

    asyncio.run(work())


def test_where_the_kernel_does_not_tell_a_disk_counts_as_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / "a").open("wb") as opened_file:
        monkeypatch.setattr(disks, "MOUNTS", folder / "missing")
        assert not disks.remote(opened_file.fileno())
        (folder / "empty").write_text("")
        monkeypatch.setattr(disks, "MOUNTS", folder / "empty")
        assert not disks.remote(opened_file.fileno())
