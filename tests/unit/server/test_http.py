from __future__ import annotations

import itertools
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.messages import Operation, Request
from strongroom.config import Listener
from strongroom.errors import BadRequest, NotFound, RequestError, TooLarge, UnsupportedMediaType, UnsupportedOperation
from strongroom.server.answer import Elsewhere
from strongroom.server.http import HeaderDict, Rules, new_request_id, parse

MERGE = {"content-type": "application/merge-patch+json"}


def request(
    method: str = "GET",
    path: str = "/v1/secret/data/a",
    query: str = "",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    peer: str = "127.0.0.1:5000",
    rules: Rules | None = None,
) -> Request:
    return parse(method, path, query, HeaderDict(headers or {}), body, peer, rules)


@pytest.mark.parametrize(
    ("method", "query", "operation"),
    [
        ("GET", "", Operation.READ),
        ("GET", "list=true", Operation.LIST),
        ("GET", "list=1", Operation.LIST),
        ("GET", "list=TRUE", Operation.LIST),
        ("GET", "list=false", Operation.READ),
        ("GET", "list=", Operation.READ),
        ("GET", "help=1", Operation.HELP),
        ("GET", "help=false", Operation.HELP),
        ("GET", "help", Operation.HELP),
        ("LIST", "", Operation.LIST),
        ("POST", "", Operation.UPDATE),
        ("PUT", "", Operation.UPDATE),
        ("DELETE", "", Operation.DELETE),
        ("HEAD", "", Operation.HEADER),
        ("HELP", "", Operation.HELP),
    ],
)
def test_method_and_query_say_the_operation(method: str, query: str, operation: Operation) -> None:
    assert request(method, query=query).operation is operation


def test_patch_is_an_operation() -> None:
    assert request("PATCH", headers=MERGE).operation is Operation.PATCH


def test_head_of_health_reads() -> None:
    assert request("HEAD", "/v1/sys/health").operation is Operation.READ


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "get", "FOO", ""])
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(UnsupportedOperation) as e:
        request(method)
    assert e.value.errors == []


@pytest.mark.parametrize("path", ["/v1/secret/metadata", "/v1/secret/metadata/"])
def test_a_list_ends_in_a_slash(path: str) -> None:
    assert request("LIST", path).path == "secret/metadata/"
    assert request("GET", path, "list=true").path == "secret/metadata/"


@pytest.mark.parametrize("value", ["maybe", "yes", "2"])
def test_a_list_that_is_no_boolean_is_refused(value: str) -> None:
    with pytest.raises(BadRequest) as e:
        request(query=f"list={value}")
    assert e.value.errors == []


@pytest.mark.parametrize("path", ["/", "/v2/sys/mounts", "/ui/", "/v1", "*", "", "/V1/sys/mounts", "v1/sys/mounts"])
def test_paths_outside_the_api_are_not_found(path: str) -> None:
    with pytest.raises(NotFound) as e:
        request(path=path)
    assert e.value.errors == []


def test_sys_is_redirected_to_its_folder() -> None:
    with pytest.raises(Elsewhere) as e:
        request(path="/v1/sys", query="a=b")
    assert e.value.answer.status == 307
    assert dict(e.value.answer.headers)["location"] == "/v1/sys/?a=b"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_path_ending_in_a_slash_cannot_be_written(method: str) -> None:
    with pytest.raises(BadRequest) as e:
        request(method, "/v1/secret/data/a/", headers=MERGE, body=b"{}")
    assert e.value.errors == ["cannot write to a path ending in '/'"]


def test_it_can_be_deleted() -> None:
    assert request("DELETE", "/v1/sys/mounts/kv/").path == "sys/mounts/kv/"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "application/merge-patch+jsonx"])
def test_a_patch_must_be_a_merge_patch(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType) as e:
        request("PATCH", headers={"content-type": kind}, body=b"{}")
    assert e.value.errors == [f"PATCH requires Content-Type of application/merge-patch+json, provided {kind}"]


def test_a_patch_may_name_its_charset() -> None:
    headers = {"content-type": "application/merge-patch+json; charset=utf-8"}
    assert request("PATCH", headers=headers, body=b'{"a": null}').data == {"a": None}


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, ""),
        ({"x-vault-token": "t"}, "t"),
        ({"authorization": "Bearer t"}, "t"),
        ({"authorization": "Bearer  t "}, "t"),
        ({"authorization": "bearer t"}, ""),
        ({"authorization": "Basic dDp0"}, ""),
        ({"x-vault-token": "t", "authorization": "Bearer other"}, "t"),
        ({"x-vault-token": "", "authorization": "Bearer other"}, "other"),
    ],
)
def test_tokens_come_in_two_headers(headers: dict[str, str], token: str) -> None:
    assert request(headers=headers).token == token


@pytest.mark.parametrize(
    ("value", "seconds"), [("", 0), ("0", 0), ("60", 60), ("1m", 60), ("1h30m", 5400), ("0.5s", 1), ("1d", 86400)]
)
def test_wrap_ttl(value: str, seconds: int) -> None:
    assert request(headers={"x-vault-wrap-ttl": value}).wrap_ttl == seconds


@pytest.mark.parametrize(
    ("value", "text"), [("-1", "requested wrap ttl cannot be negative"), ("soon", "time: invalid duration")]
)
def test_a_wrap_ttl_that_is_none_is_refused(value: str, text: str) -> None:
    with pytest.raises(BadRequest) as e:
        request(headers={"x-vault-wrap-ttl": value})
    assert e.value.errors[0].startswith(f"error parsing X-Vault-Wrap-TTL header: {text}")


@pytest.mark.parametrize("method", ["GET", "DELETE", "LIST"])
def test_reads_take_their_parameters_from_the_query_and_ignore_a_body(method: str) -> None:
    got = request(method, query="version=2&a=%20b+c&x=1&x=2", body=b"nonsense")
    assert got.data == {"version": "2", "a": " b c", "x": ["1", "2"]}
    assert got.query == {"version": "2", "a": " b c", "x": "1"}
    assert got.raw == {}


def test_writes_take_them_from_the_body_alone() -> None:
    got = request("POST", query="a=1", body=b'{"b": 2}')
    assert got.data == {"b": 2}
    assert {name: bytes(value) for name, value in got.raw.items()} == {"b": b"2"}
    assert got.query == {"a": "1"}


@pytest.mark.parametrize(("size", "limit", "fits"), [(10, 10, True), (11, 10, False), (11, 0, True)])
def test_bodies_have_a_limit(size: int, limit: int, fits: bool) -> None:
    body = b"{}".ljust(size)
    if fits:
        request("POST", body=body, rules=Rules(max_request_size=limit))
        return
    with pytest.raises(TooLarge):
        request("POST", body=body, rules=Rules(max_request_size=limit))


def test_a_listener_may_ask_for_the_request_header() -> None:
    rules = Rules(require_request_header=True)
    with pytest.raises(RequestError):
        request(rules=rules)
    assert request(headers={"x-vault-request": "true"}, rules=rules)


@pytest.mark.parametrize(
    ("peer", "address", "port"),
    [
        ("127.0.0.1:5000", "127.0.0.1", 5000),
        ("[::1]:5000", "::1", 5000),
        ("[::ffff:10.0.0.1]:5000", "10.0.0.1", 5000),
        ("", "", 0),
    ],
)
def test_the_peer_is_the_remote_address(peer: str, address: str, port: int) -> None:
    got = request(peer=peer)
    assert (got.remote_address, got.remote_port) == (address, port)


def test_a_listener_makes_rules() -> None:
    listener = Listener(x_forwarded_for_authorized_addrs=("10.0.0.0/8",), max_request_size=-1)
    rules = Rules.of(listener)
    assert rules.max_request_size == 0
    headers = {"x-forwarded-for": "192.0.2.1"}
    assert request(peer="10.1.1.1:1", headers=headers, rules=rules).remote_address == "192.0.2.1"
    assert Rules.of(Listener()).proxies is None


def test_request_ids_are_random_uuids() -> None:
    ids = [new_request_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {uuid.UUID(i).version for i in ids} == {4}
    assert {i[19] for i in ids} == set("89ab")
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", i) for i in ids)
    assert all(a != b for a, b in itertools.pairwise(ids))


def test_a_request_s_repr_hides_its_token() -> None:
    assert "sesame" not in repr(request(headers={"x-vault-token": "sesame"}))


@given(
    method=st.sampled_from(["GET", "POST", "LIST", "PATCH", "DELETE", "HEAD", "HELP", "X"]),
    path=st.one_of(st.text(), st.text(alphabet="/.a\x00é%?#").map(lambda t: "/v1/" + t)),
    query=st.text(),
    headers=st.dictionaries(
        st.sampled_from(
            ["x-vault-token", "authorization", "x-vault-wrap-ttl", "content-type", "x-forwarded-for", "content-length"]
        ),
        st.text(),
    ),
    body=st.binary(),
    peer=st.text(),
)
def test_whatever_comes_is_a_request_or_a_refusal(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, peer: str
) -> None:
    rules = Rules.of(Listener(x_forwarded_for_authorized_addrs=("10.0.0.0/8",)))
    try:
        got = request(method, path, query, headers, body, peer, rules)
    except (RequestError, Elsewhere):
        return
    assert ".." not in got.path.split("/")
    assert got.path.isprintable()
