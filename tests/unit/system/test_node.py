from __future__ import annotations

import socket

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom import VAULT_VERSION, __version__
from strongroom.config import Listener, ServerConfig
from strongroom.core import versions
from strongroom.core.advertise import api_address, cluster_address

HOST = socket.gethostname()


def listener(address: str, **more: object) -> Listener:
    return Listener(address=address, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "api", "cluster"),
    [
        (ServerConfig(), "", ""),
        (ServerConfig(api_addr="https://v", cluster_addr="https://v:8201"), "https://v", "https://v:8201"),
        (
            ServerConfig(listeners=(listener("10.0.0.1:8200", tls_disable=True),)),
            "http://10.0.0.1:8200",
            "https://10.0.0.1:8201",
        ),
        (ServerConfig(listeners=(listener("[fd00::1]:82"),)), "https://[fd00::1]:82", "https://[fd00::1]:83"),
        (ServerConfig(listeners=(listener("0.0.0.0:8200"),)), f"https://{HOST}:8200", f"https://{HOST}:8201"),
        (ServerConfig(listeners=(listener("[::]:8200"),)), f"https://{HOST}:8200", f"https://{HOST}:8201"),
        (
            ServerConfig(listeners=(listener("127.0.0.1:8200", cluster_address="10.0.0.1:9"),)),
            "https://127.0.0.1:8200",
            "https://10.0.0.1:9",
        ),
        (
            ServerConfig(listeners=(listener("/run/a.sock", type="unix"), listener("127.0.0.1:1"))),
            "https://127.0.0.1:1",
            "https://127.0.0.1:2",
        ),
        (ServerConfig(listeners=(listener("/run/a.sock", type="unix"),)), "", ""),
    ],
)
def test_a_node_is_reached_where_it_is_configured_or_listens(config: ServerConfig, api: str, cluster: str) -> None:
    assert (api_address(config), cluster_address(config)) == (api, cluster)


def test_a_server_alone_is_the_active_node() -> None:
    async def scenario(server: WholeServer) -> None:
        answer = ok(await server.read("sys/ha-status"))
        assert answer.flat
        assert data(answer)["nodes"] == [
            {
                "hostname": HOST,
                "api_address": "http://a",
                "cluster_address": "https://b",
                "active_node": True,
                "last_echo": None,
                "version": VAULT_VERSION,
                "strongroom_version": __version__,
            }
        ]

    served(scenario, api_addr="http://a", cluster_addr="https://b")


def test_a_new_version_is_added_to_the_history_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(server: WholeServer) -> None:
        first = data(await server.list("sys/version-history"))
        assert first["keys"] == [__version__]
        server.clock.advance(60)
        monkeypatch.setattr(versions, "__version__", "9.9.9")
        for _ in range(2):
            await server.restart()
            server.clock.advance(60)
        history = data(await server.list("sys/version-history"))
        assert history["keys"] == [__version__, "9.9.9"]
        assert history["key_info"] == {
            __version__: {
                "build_date": None,
                "previous_version": None,
                "timestamp_installed": "2023-11-14T22:13:20Z",
                "vault_version": VAULT_VERSION,
            },
            "9.9.9": {
                "build_date": None,
                "previous_version": __version__,
                "timestamp_installed": "2023-11-14T22:14:20Z",
                "vault_version": VAULT_VERSION,
            },
        }

    served(scenario)


def test_requests_under_way_are_shown_while_they_are() -> None:
    async def scenario(server: WholeServer) -> None:
        answer = data(await server.read("sys/in-flight-req"))
        assert list(answer.values()) == [
            {
                "start_time": "2023-11-14T22:13:20Z",
                "client_remote_address": "127.0.0.1",
                "request_path": "sys/in-flight-req",
                "request_method": "",
                "client_id": "",
            }
        ]
        refused(await server.read("sys/nothing"))
        assert server.live.in_flight == {}

    served(scenario)


@pytest.mark.parametrize("path", ["sys/ha-status", "sys/in-flight-req", "sys/version-history"])
def test_all_of_it_is_for_those_with_the_right(path: str) -> None:
    async def scenario(server: WholeServer) -> None:
        ask = server.list if path.endswith("history") else server.read
        assert refused(await ask(path, ""))[0] == "BadToken"
        assert refused(await ask(path, await server.token()))[0] == "PermissionDenied"

    served(scenario)
