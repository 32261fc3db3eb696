"""The syslog and socket devices against listeners of this process, and the kinds of devices."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from strongroom.audit import registry
from strongroom.audit.device import Device
from strongroom.audit.file import FileDevice
from strongroom.audit.registry import DEVICES, make_device
from strongroom.audit.socket import SocketDevice
from strongroom.audit.syslog import SyslogDevice
from strongroom.errors import BadRequest


async def write(made: Device, *lines: bytes) -> None:
    await made.open()
    try:
        for line in lines:
            await made.write(line)
    finally:
        await made.close()


def listen(family: int, kind: int, address: object) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.settimeout(10)
    listener.bind(address)  # type: ignore[arg-type]
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "log"
    monkeypatch.setattr(SyslogDevice, "sockets", (str(tmp_path / "absent"), str(path)))
    return path


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        ("syslog", {"format": "xml"}, 'unknown format type "xml"'),
        ("syslog", {"log_raw": "maybe"}, 'strconv.ParseBool: parsing "maybe": invalid syntax'),
        ("syslog", {"facility": "NONE"}, "invalid syslog facility: NONE"),
        ("socket", {}, "address is required"),
        ("socket", {"address": "a:1", "socket_type": "carrier"}, "unknown socket type carrier"),
        ("socket", {"address": "nowhere"}, "missing port in address"),
        ("socket", {"address": "a:1", "write_timeout": "soon"}, "invalid duration"),
        ("socket", {"address": "a:1", "write_timeout": "0"}, "write_timeout must be"),
        ("socket", {"address": "a:1", "format": "xml"}, 'unknown format type "xml"'),
        ("", {}, 'unknown backend type: ""'),
        ("File", {}, 'unknown backend type: "File"'),
    ],
)
def test_wrong_options_are_refused(kind: str, options: dict[str, str], text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        make_device(kind, "x/", "salt", options)
    assert text in caught.value.errors[0]


def test_the_registry_has_the_documented_kinds() -> None:
    assert set(DEVICES) >= {"file", "socket", "syslog"}


def test_other_kinds_come_as_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("memory", "strongroom.audit.file:FileDevice", "strongroom.audit")
    monkeypatch.setattr(registry, "entry_points", lambda group, name: [point] if name == "memory" else [])
    monkeypatch.setattr(registry, "DEVICES", dict(DEVICES))
    assert isinstance(make_device("memory", "x/", "salt", {"file_path": "f"}), FileDevice)


def test_syslog_sends_each_line_as_a_message(daemon: Path) -> None:
    with listen(socket.AF_UNIX, socket.SOCK_DGRAM, str(daemon)) as listener:
        asyncio.run(write(make_device("syslog", "s/", "salt", {"facility": "local3", "tag": "vlt"}), b'{"a":1}\n'))
        message = listener.recv(4096).decode()
    expected = rf'<{19 * 8 + 6}>[A-Z][a-z]{{2}} [ 123]\d \d\d:\d\d:\d\d vlt\[{os.getpid()}\]: {{"a":1}}\n'
    assert re.fullmatch(expected, message)


def test_syslog_without_a_daemon_is_refused(daemon: Path) -> None:
    with pytest.raises(OSError, match="Unix syslog delivery error: no local syslog daemon"):
        asyncio.run(write(make_device("syslog", "s/", "salt", {})))


def test_syslog_follows_a_daemon_that_restarts(daemon: Path) -> None:
    made = make_device("syslog", "s/", "salt", {})

    async def talk() -> list[bytes]:
        got = []
        with listen(socket.AF_UNIX, socket.SOCK_DGRAM, str(daemon)) as listener:
            await made.open()
            await made.write(b"one\n")
            got.append(listener.recv(4096))
        os.unlink(daemon)  # noqa: PTH108 - in a coroutine
        with pytest.raises(OSError, match="delivery error"):
            await made.write(b"lost\n")
        with listen(socket.AF_UNIX, socket.SOCK_DGRAM, str(daemon)) as listener:
            await made.write(b"two\n")
            got.append(listener.recv(4096))
            await made.reopen()
        await made.close()
        return got

    assert [message.partition(b": ")[2] for message in asyncio.run(talk())] == [b"one\n", b"two\n"]


def test_a_tcp_collector_gets_the_lines() -> None:
    with listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        made = make_device("socket", "s/", "salt", {"address": f"{host}:{port}"})
        asyncio.run(write(made, b"one\n", b"two\n"))
        peer, _ = listener.accept()
        with peer:
            assert peer.makefile("rb").read() == b"one\ntwo\n"


def test_a_udp_collector_gets_a_datagram_for_each_line() -> None:
    with listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        asyncio.run(write(SocketDevice("s/", "salt", {"address": f"{host}:{port}", "socket_type": "udp4"}), b"one\n"))
        assert listener.recv(100) == b"one\n"


@pytest.mark.parametrize("kind", ["udp4", "unixgram"])
def test_lines_of_one_turn_are_datagrams_of_their_own(tmp_path: Path, kind: str) -> None:
    family = socket.AF_INET if kind == "udp4" else socket.AF_UNIX
    with listen(family, socket.SOCK_DGRAM, ("127.0.0.1", 0) if kind == "udp4" else str(tmp_path / "sink")) as listener:
        name = listener.getsockname()
        address = "{}:{}".format(*name) if kind == "udp4" else name
        made = SocketDevice("s/", "salt", {"address": address, "socket_type": kind})

        async def talk() -> None:
            for turn in range(2):
                await asyncio.gather(*(made.write(b"%d-%d\n" % (turn, n)) for n in range(3)))
            await made.close()

        asyncio.run(talk())
        got = [listener.recv(100) for _ in range(6)]
    assert got == [b"%d-%d\n" % (turn, n) for turn in range(2) for n in range(3)]


def test_lines_of_one_turn_go_into_a_stream_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "collector")
    sent: list[list[bytes]] = []

    class Counted(SocketDevice):
        def _send(self, lines: list[bytes]) -> None:
            sent.append(lines)
            super()._send(lines)

    with listen(socket.AF_UNIX, socket.SOCK_STREAM, path) as listener:
        made = Counted("s/", "salt", {"address": path, "socket_type": "unix"})

        async def talk() -> None:
            await asyncio.gather(*(made.write(b"%d\n" % n) for n in range(5)))
            await made.close()

        asyncio.run(talk())
        peer, _ = listener.accept()
        with peer:
            assert peer.makefile("rb").read() == b"0\n1\n2\n3\n4\n"
    assert [len(lines) for lines in sent] == [5]
    assert made.joins


def test_a_unix_collector_gets_the_lines_and_a_new_connection_after_reopening(tmp_path: Path) -> None:
    path = str(tmp_path / "collector")
    with listen(socket.AF_UNIX, socket.SOCK_STREAM, path) as listener:
        made = SocketDevice("s/", "salt", {"address": path, "socket_type": "unix"})

        async def talk() -> None:
            await made.write(b"one\n")
            await made.reopen()
            await made.write(b"two\n")
            await made.close()

        asyncio.run(talk())
        for expected in (b"one\n", b"two\n"):
            peer, _ = listener.accept()
            with peer:
                assert peer.makefile("rb").read() == expected


def test_a_lost_connection_is_made_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "collector")
    with listen(socket.AF_UNIX, socket.SOCK_STREAM, path) as listener:
        made = SocketDevice("s/", "salt", {"address": path, "socket_type": "unix"})

        async def talk() -> bytes:
            await made.write(b"one\n")
            listener.accept()[0].close()
            await made.write(b"two\n")
            await made.close()
            peer, _ = listener.accept()
            with peer:
                return peer.makefile("rb").read()

        assert asyncio.run(talk()) == b"two\n"


def test_an_absent_collector_is_told() -> None:
    with listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)) as gone:
        address = "{}:{}".format(*gone.getsockname())
    with pytest.raises(OSError, match=f"dial tcp {address}: connect: connection refused"):
        asyncio.run(write(SocketDevice("s/", "salt", {"address": address}), b"one\n"))


def test_a_collector_that_stands_still_misses_its_deadline(tmp_path: Path) -> None:
    path = str(tmp_path / "collector")
    with listen(socket.AF_UNIX, socket.SOCK_STREAM, path):
        made = SocketDevice("s/", "salt", {"address": path, "socket_type": "unix", "write_timeout": "20ms"})

        async def talk() -> None:
            try:
                await made.write(b"x" * (8 << 20))
            finally:
                await made.close()

        with pytest.raises(TimeoutError):
            asyncio.run(talk())
