"""kill -9 under load: what was acknowledged is there, nothing is half-applied."""

from __future__ import annotations

import http.client
import pathlib
import threading

from tests.support.process import Process, call, running

ROUNDS = 20
WRITERS = 8


def write_until_killed(
    server: Process, writer: int, round_: int, acknowledged: dict[str, int], enough: threading.Event
) -> None:
    """Write new keys and new versions of one key; note what was acknowledged."""
    connection = server.connection()
    number = 0
    try:
        while True:
            number += 1
            key = f"w{writer}-r{round_}-{number}"
            status, _ = call(connection, "POST", f"secret/data/{key}", {"data": {"n": number}}, server.token)
            if status == 200:
                acknowledged[key] = number
            status, body = call(
                connection,
                "POST",
                f"secret/data/counter-{writer}",
                {"data": {"n": number, "round": round_}},
                server.token,
            )
            if status == 200:
                acknowledged[f"counter-{writer}"] = body["data"]["version"]
            if number >= 10:
                enough.set()
    except (OSError, http.client.HTTPException):
        enough.set()
    finally:
        connection.close()


def test_every_acknowledged_write_survives_being_killed(tmp_path: pathlib.Path) -> None:
    with running(tmp_path) as server:
        keys = server.init(5, 3)
        server.unseal(keys[:3])
        assert server.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})[0] == 204
        acknowledged: dict[str, int] = {}
        for round_ in range(ROUNDS):
            enough = threading.Event()
            writers = [
                threading.Thread(target=write_until_killed, args=(server, w, round_, acknowledged, enough))
                for w in range(WRITERS)
            ]
            for thread in writers:
                thread.start()
            assert enough.wait(60)
            server.kill()
            for thread in writers:
                thread.join()
            server.start()
            server.unseal(keys[-3:])
            check_round(server, round_, acknowledged)
        check_counters(server, acknowledged)


def check_round(server: Process, round_: int, acknowledged: dict[str, int]) -> None:
    """Each acknowledged key of the round holds its value; each key that is listed is whole."""
    connection = server.connection()
    for key, number in acknowledged.items():
        if f"-r{round_}-" in key:
            status, body = call(connection, "GET", f"secret/data/{key}", None, server.token)
            assert status == 200, (key, body)
            assert body["data"]["data"] == {"n": number}
    _, listed = call(connection, "LIST", "secret/metadata", None, server.token)
    for key in listed["data"]["keys"]:
        if f"-r{round_}-" in key and key not in acknowledged:
            status, body = call(connection, "GET", f"secret/data/{key}", None, server.token)
            assert status == 200, ("half-applied", key, body)
            assert body["data"]["data"]["n"] == int(key.rsplit("-", 1)[1])
    connection.close()


def check_counters(server: Process, acknowledged: dict[str, int]) -> None:
    """A key's newest version is at least the last acknowledged one, and its data is there."""
    for writer in range(WRITERS):
        status, body = server.call("GET", f"secret/data/counter-{writer}")
        assert status == 200
        assert body["data"]["metadata"]["version"] >= acknowledged[f"counter-{writer}"]
        assert set(body["data"]["data"]) == {"n", "round"}
