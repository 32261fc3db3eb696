from __future__ import annotations

import os
import pathlib
import socket

import pytest

from strongroom.config import Listener, Place
from strongroom.errors import ConfigError
from strongroom.server.listeners import close, listen


def tcp(address: str) -> Listener:
    return Listener(address=address, tls_disable=True, place=Place("config.hcl", 3, 1))


def unix(path: pathlib.Path, **settings: object) -> Listener:
    return Listener(type="unix", address=str(path), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]", ""])
def test_a_port_of_zero_is_a_free_one(host: str) -> None:
    if ":" in host and not socket.has_ipv6:
        return
    try:
        sock, bound = listen(tcp(f"{host}:0"))
    except ConfigError:
        assert "::" in host  # a machine without IPv6
        return
    port = sock.getsockname()[1]
    assert port != 0
    assert bound.address.endswith(f":{port}")
    assert bound.url == f"http://{bound.address}"
    socket.create_connection(("127.0.0.1" if host != "[::1]" else "::1", port)).close()
    close(sock)


def test_a_port_in_use_is_an_error_with_its_place_and_a_way_out() -> None:
    first, bound = listen(tcp("127.0.0.1:0"))
    with pytest.raises(ConfigError) as e:
        listen(tcp(bound.address))
    assert str(e.value) == (
        f"config.hcl:3:1: cannot listen on {bound.address}: address already in use. "
        "Stop the other server or choose another address"
    )
    close(first)
    again, _ = listen(tcp(bound.address))
    close(again)


@pytest.mark.parametrize("address", ["192.0.2.1:0", "no.such.host.invalid:0"])
def test_an_address_that_is_not_ours(address: str) -> None:
    with pytest.raises(ConfigError):
        listen(tcp(address))


def test_a_unix_socket_has_its_mode_and_goes_away(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "s"
    sock, bound = listen(unix(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert (bound.address, bound.url, bound.tls) == (str(path), "", False)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    with pytest.raises(ConfigError, match="in use"):
        listen(unix(path))
    close(sock)
    assert not path.exists()


def test_a_socket_left_behind_is_taken_over(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))
    sock, _ = listen(unix(path, socket_mode=0o660, socket_user=str(os.getuid()), socket_group=str(os.getgid())))
    assert path.stat().st_mode & 0o777 == 0o660
    close(sock)


def test_a_file_is_not_overwritten(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="there is a file of that name"):
        listen(unix(path))
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"socket_user": "nobody-of-that-name"}, "there is no user nobody-of-that-name"),
        ({"socket_group": "no-such-group"}, "there is no group no-such-group"),
    ],
)
def test_unknown_owners(settings: dict[str, str], text: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=text):
        listen(unix(tmp_path / "s", **settings))
    assert not (tmp_path / "s").exists()


def test_a_folder_that_is_missing(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="Create the folder first"):
        listen(unix(tmp_path / "none" / "s"))
