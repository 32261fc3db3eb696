"""`sys/policies/acl`, `sys/policy`, `sys/capabilities*` and `sys/tools`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

TEXT = 'path "kv/a" { capabilities = ["read"] } # as it is'


def test_a_policy_is_kept_to_the_letter_under_both_paths() -> None:
    async def scenario(server: WholeServer) -> None:
        await server.policy("team/a", TEXT)
        assert data(await server.read("sys/policies/acl/team/a")) == {"name": "team/a", "policy": TEXT}
        old = ok(await server.read("sys/policy/team/a"))
        assert (data(old), old.flat) == ({"name": "team/a", "rules": TEXT}, True)
        assert data(await server.list("sys/policies/acl")) == {"keys": ["default", "team/a", "root"]}
        for answer in (await server.read("sys/policy"), await server.list("sys/policy")):
            assert data(answer) == {"keys": ["default", "team/a", "root"], "policies": ["default", "team/a", "root"]}
        ok(await server.delete("sys/policy/team/a"))
        ok(await server.delete("sys/policies/acl/team/a"))
        assert refused(await server.read("sys/policies/acl/team/a")) == ("NotFound", "")

    served(scenario)


def test_names_fold_and_the_client_is_told() -> None:
    async def scenario(server: WholeServer) -> None:
        answer = ok(await server.write("sys/policies/acl/Web-TEAM", policy=TEXT))
        assert answer.warnings
        assert data(await server.read("sys/policies/acl/wEB-team"))["name"] == "web-team"
        token = await server.token(policies=["WEB-team"], no_default_policy=True)
        assert data(await server.write("sys/capabilities", token=token, paths="kv/a"))["kv/a"] == ["read"]
        ok(await server.delete("sys/policies/acl/WEB-TEAM"))
        assert refused(await server.read("sys/policies/acl/web-team"))[0] == "NotFound"

    served(scenario)


@pytest.mark.parametrize("path", ["sys/policies/acl", "sys/policy"])
def test_the_servers_own_policies_are_kept(path: str) -> None:
    async def scenario(server: WholeServer) -> None:
        for name in ("root", "ROOT", "response-wrapping"):
            assert (
                refused(await server.write(f"{path}/{name}", policy=TEXT))[1]
                == f'cannot update "{name.lower()}" policy'
            )
            assert refused(await server.delete(f"{path}/{name}"))[1] == f'cannot delete "{name.lower()}" policy'
        assert refused(await server.delete(f"{path}/default"))[1] == "cannot delete default policy"
        ok(await server.write(f"{path}/default", policy=TEXT))
        assert data(await server.read("sys/policies/acl/root")) == {"name": "root", "policy": ""}
        assert data(await server.read("sys/policies/acl/response-wrapping"))["policy"]

    served(scenario)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("policies/acl/p", {}, "'policy' parameter not supplied or empty"),
        ("policies/acl/p", {"policy": ""}, "'policy' parameter not supplied or empty"),
        ("policies/acl/p", {"rules": TEXT}, "'policy' parameter not supplied or empty"),
        ("policies/acl/p", {"policy": 'path "a" {'}, "failed to parse policy"),
        ("policies/acl/p", {"policy": ["a"]}, 'field "policy"'),
        ("policy/p", {"policy": 'path "a" { capabilities = ["fly"] }'}, 'invalid capability "fly"'),
    ],
)
def test_a_policy_that_cannot_be_is_refused(path: str, body: dict[str, Any], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        name, words = refused(await server.write(f"sys/{path}", **body))
        assert name == "BadRequest"
        assert text in words
        assert refused(await server.read("sys/policies/acl/p"))[0] == "NotFound"

    served(scenario)


def test_old_names_and_base64_are_understood() -> None:
    async def scenario(server: WholeServer) -> None:
        assert ok(await server.write("sys/policy/p", rules=TEXT)).warnings
        ok(await server.write("sys/policies/acl/q", policy=base64.b64encode(TEXT.encode()).decode()))
        for name in ("p", "q"):
            assert data(await server.read(f"sys/policies/acl/{name}"))["policy"] == TEXT

    served(scenario)


@pytest.mark.parametrize("name", ["team/", "a/../b", "x" * 5000, "nul\x00"])
def test_a_name_that_cannot_be_stored_is_the_clients_fault(name: str) -> None:
    async def scenario(server: WholeServer) -> None:
        for answer in (
            await server.read(f"sys/policies/acl/{name}"),
            await server.write(f"sys/policies/acl/{name}", policy=TEXT),
            await server.delete(f"sys/policies/acl/{name}"),
        ):
            assert refused(answer)[0] in ("BadRequest", "NotFound")

    served(scenario)


def test_a_name_is_needed() -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.read("sys/policies/acl/"))[0] == "UnsupportedOperation"
        assert refused(await server.read("sys/policies/acl"))[0] == "UnsupportedOperation"

    served(scenario)


def test_of_writers_at_once_the_last_one_counts_for_all() -> None:
    async def scenario(server: WholeServer) -> None:
        token = await server.token(policies=["p"], no_default_policy=True)
        texts = [f'path "kv/{number}" {{ capabilities = ["read"] }}' for number in range(8)]
        await asyncio.gather(*(server.policy("p", text) for text in texts))
        kept = data(await server.read("sys/policies/acl/p"))["policy"]
        paths = [f"kv/{number}" for number in range(8)]
        answer = data(await server.write("sys/capabilities", token=token, paths=paths))
        assert [path for path in paths if answer[path] == ["read"]] == [f"kv/{texts.index(kept)}"]

    served(scenario)


# -- Capabilities ------------------------------------------------------------------------------------------------------


def test_capabilities_by_token_by_accessor_and_of_oneself_are_the_same() -> None:
    async def scenario(server: WholeServer) -> None:
        rules = ('path "kv/a" { capabilities = ["read", "list"] }', 'path "kv/b" { capabilities = ["deny"] }')
        await server.policy("p", "\n".join(rules))
        token = await server.token(policies=["p", "default"])
        accessor = data(await server.read("auth/token/lookup-self", by=token))["accessor"]
        wanted = {"kv/a": ["list", "read"], "kv/b": ["deny"], "kv/c": ["deny"]}
        for answer in (
            await server.write("sys/capabilities", token=token, paths=list(wanted)),
            await server.post("sys/capabilities", {"token": token, "path": ",".join(wanted)}),
            await server.write("sys/capabilities-accessor", accessor=accessor, paths=list(wanted)),
            await server.write("sys/capabilities-self", by=token, paths=list(wanted)),
        ):
            assert data(answer) == wanted
            assert ok(answer).flat
        alone = data(await server.write("sys/capabilities-self", paths="kv/a"))
        assert alone == {"kv/a": ["root"], "capabilities": ["root"]}

    served(scenario)


@pytest.mark.parametrize(
    ("path", "body", "name", "text"),
    [
        ("capabilities", {"token": "root"}, "BadRequest", "paths must be supplied"),
        ("capabilities", {"token": "root", "paths": [""]}, "BadRequest", "missing path"),
        ("capabilities", {"token": "hvs.unknown", "paths": "a"}, "BadRequest", "invalid token"),
        ("capabilities", {"paths": "a"}, "InternalError", "no token found"),
        ("capabilities-self", {}, "BadRequest", "paths must be supplied"),
        ("capabilities-accessor", {"paths": "a"}, "BadRequest", "missing accessor"),
        ("capabilities-accessor", {"accessor": "x"}, "BadRequest", "paths must be supplied"),
        ("capabilities-accessor", {"accessor": "x", "paths": "a"}, "BadRequest", "invalid accessor"),
    ],
)
def test_what_capabilities_need(path: str, body: dict[str, Any], name: str, text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        found = refused(await server.write(f"sys/{path}", **body))
        assert found[0] == name
        assert text in found[1]

    served(scenario)


# -- Tools -------------------------------------------------------------------------------------------------------------

HELLO = base64.b64encode(b"hello").decode()


ALGORITHMS = [f"{family}-{bits}" for family in ("sha2", "sha3") for bits in (224, 256, 384, 512)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_hashes_are_those_of_the_standard(algorithm: str) -> None:
    async def scenario(server: WholeServer) -> None:
        digest = hashlib.new(algorithm.replace("sha2-", "sha").replace("-", "_"), b"hello").digest()
        for answer in (
            await server.write("sys/tools/hash", input=HELLO, algorithm=algorithm),
            await server.write(f"sys/tools/hash/{algorithm}", input=HELLO, algorithm="sha2-256"),
        ):
            assert data(answer) == {"sum": digest.hex()}
        answer = await server.write(f"sys/tools/hash/{algorithm}", input=HELLO, format="base64")
        assert data(answer) == {"sum": base64.b64encode(digest).decode()}

    served(scenario)


def test_a_long_input_is_hashed_too() -> None:
    async def scenario(server: WholeServer) -> None:
        long = b"x" * (2 << 20)
        answer = await server.write("sys/tools/hash", input=base64.b64encode(long).decode())
        assert data(answer) == {"sum": hashlib.sha256(long).hexdigest()}

    served(scenario)


@pytest.mark.parametrize(
    ("path", "body", "size"),
    [
        ("random", {}, 32),
        ("random", {"bytes": 5}, 5),
        ("random", {"bytes": "5"}, 5),
        ("random/7", {"bytes": 5}, 7),
        ("random/platform/7", {"bytes": 5}, 7),
        ("random/seal/7", {"source": "platform"}, 7),
        ("random/all", {"bytes": 5}, 5),
        ("random", {"bytes": 131072}, 131072),
    ],
)
def test_random_bytes_are_as_many_as_asked_for(path: str, body: dict[str, Any], size: int) -> None:
    async def scenario(server: WholeServer) -> None:
        first, second = [data(await server.write(f"sys/tools/{path}", **body))["random_bytes"] for _ in range(2)]
        assert first != second
        assert len(base64.b64decode(first)) == size
        answer = data(await server.write(f"sys/tools/{path}", format="hex", **body))
        assert len(bytes.fromhex(answer["random_bytes"])) == size

    served(scenario)


def test_who_asks_the_seal_for_random_bytes_is_told_that_it_has_none() -> None:
    async def scenario(server: WholeServer) -> None:
        for path, source, told in (("random", "seal", 1), ("random/seal/9", "", 1), ("random", "all", 0)):
            answer = ok(await server.write(f"sys/tools/{path}", **({"source": source} if source else {})))
            assert len([text for text in answer.warnings if "using platform entropy" in text]) == told

    served(scenario)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("random", {"bytes": 0}),
        ("random", {"bytes": -1}),
        ("random", {"bytes": 131073}),
        ("random", {"bytes": "hunter2"}),
        ("random", {"format": "hunter2"}),
        ("random/hunter2", {}),
        ("random/\u0661", {}),
        ("random/-1", {}),
        ("random/0", {}),
        ("random", {"source": "hunter2"}),
        ("random/hunter2/5", {}),
        ("random/platform/hunter2", {}),
        ("random/platform/0", {}),
        ("random/99999999999999999999", {}),
        ("hash", {"input": "hunter2!"}),
        ("hash", {"input": HELLO, "algorithm": "hunter2"}),
        ("hash/hunter2", {"input": HELLO}),
        ("hash", {"input": HELLO, "format": "hunter2"}),
    ],
)
def test_what_tools_cannot_do_is_refused_without_being_repeated(path: str, body: dict[str, Any]) -> None:
    async def scenario(server: WholeServer) -> None:
        name, text = refused(await server.write(f"sys/tools/{path}", **body))
        assert name == "BadRequest"
        assert "hunter2" not in text

    served(scenario)
