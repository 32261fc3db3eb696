"""What the lines look like: golden lines, order of keys, errors, logins, wrapping, options."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import msgspec
import pytest

from strongroom import BUILTIN_VERSION
from strongroom.api.context import MountInfo
from strongroom.api.messages import Auth, Lease, Operation, Request, Response, Timestamp, WrapInfo
from strongroom.audit.entry import Exchange, Identity
from strongroom.audit.formatter import Formatter
from strongroom.audit.hashing import Salt
from strongroom.errors import (
    BadRequest,
    BadToken,
    InternalError,
    NoRoute,
    NotFound,
    PermissionDenied,
    RequestError,
    UnsupportedPath,
)

SALT = "0b2f6c1e-2f2b-4f3e-9a39-1d2c3b4a5f6e"
TIME = b"2025-01-07T10:30:00.000000001Z"
MOUNT = MountInfo("secret/", "kv", "uuid", "kv_abcdef01")
TOKEN = "hvs.CAESIJ-secret-token"


def hashed(text: str) -> str:
    return "hmac-sha256:" + hmac.new(SALT.encode(), text.encode(), hashlib.sha256).hexdigest()


def request(operation: Operation = Operation.READ, path: str = "secret/data/openai", **more: Any) -> Request:
    return Request(id="req-1", operation=operation, path=path, token=TOKEN, remote_address="10.244.0.5", **more)


def owner(**more: Any) -> Identity:
    return Identity(
        accessor="acc",
        display_name="token",
        policies=["default"],
        token_policies=["default"],
        token_type="service",
        **more,
    )


def lines(exchange: Exchange, headers: dict[str, bool] | None = None, **settings: Any) -> tuple[Any, Any]:
    form = Formatter(Salt(SALT), **settings)
    return tuple(json.loads(make(exchange, headers or {}, TIME)) for make in (form.request, form.response))


def test_a_read_makes_the_documented_lines() -> None:
    exchange = Exchange(
        request(remote_port=40000),
        mount=MOUNT,
        identity=owner(ttl=3600, issue_time=1_736_245_800_123_000_000, metadata={"role": "workflow-service"}),
        allowed=True,
        granting=("default",),
        response=Response(data={"data": msgspec.Raw(b'{"api_key": "sk-1"}'), "metadata": {"version": 3}}),
    )
    auth = {
        "client_token": hashed(TOKEN),
        "accessor": hashed("acc"),
        "display_name": "token",
        "policies": ["default"],
        "token_policies": ["default"],
        "policy_results": {
            "allowed": True,
            "granting_policies": [{"name": "default", "namespace_id": "root", "type": "acl"}],
        },
        "metadata": {"role": "workflow-service"},
        "token_type": "service",
        "token_ttl": 3600,
        "token_issue_time": "2025-01-07T10:30:00Z",
    }
    mount = {
        version: {
            "mount_point": "secret/",
            "mount_type": "kv",
            "mount_accessor": "kv_abcdef01",
            version: BUILTIN_VERSION,
            "mount_class": "secret",
        }
        for version in ("mount_running_version", "mount_running_plugin_version")
    }
    asked = {
        "id": "req-1",
        "client_id": base64.b64encode(hashlib.sha256(b"default\0root").digest()).decode(),
        "operation": "read",
        **mount["mount_running_version"],
        "client_token": hashed(TOKEN),
        "client_token_accessor": hashed("acc"),
        "namespace": {"id": "root"},
        "path": "secret/data/openai",
        "remote_address": "10.244.0.5",
        "remote_port": 40000,
    }
    answer = {
        **mount["mount_running_plugin_version"],
        "data": {"data": {"api_key": hashed("sk-1")}, "metadata": {"version": 3}},
    }
    first = {"time": TIME.decode(), "type": "request", "auth": auth, "request": asked}
    second = {"time": TIME.decode(), "type": "response", "auth": auth, "request": asked, "response": answer}
    form = Formatter(Salt(SALT))
    # As text: the order of the keys is part of what searches rely on.
    assert form.request(exchange, {}, TIME).decode() == json.dumps(first, separators=(",", ":")) + "\n"
    assert form.response(exchange, {}, TIME).decode() == json.dumps(second, separators=(",", ":")) + "\n"


def test_the_client_id_of_a_token_without_entity_is_vaults() -> None:
    root = Identity(policies=["root"], token_policies=["root"], token_type="service")
    line, _ = lines(Exchange(request(), identity=root))
    assert line["request"]["client_id"] == "0DHqvq2D77kL2/JTPSZkTMJbkFVmUu0TzMi0jiXcFy8="
    line, _ = lines(Exchange(request(), identity=owner(entity_id="entity-1")))
    assert line["request"]["client_id"] == "entity-1"


def test_the_test_line_has_nothing_but_what_it_needs() -> None:
    exchange = Exchange(Request(id="req-1", operation=Operation.UPDATE, path="sys/audit/test"))
    assert lines(exchange)[0] == {
        "time": TIME.decode(),
        "type": "request",
        "auth": {"token_type": "default"},
        "request": {"id": "req-1", "operation": "update", "namespace": {"id": "root"}, "path": "sys/audit/test"},
    }


DENIED = PermissionDenied(reason="no policy grants read on secret/data/openai")


@pytest.mark.parametrize(
    ("error", "in_request", "in_response", "data"),
    [
        (DENIED, "permission denied", "permission denied", hashed(DENIED.errors[0])),
        (BadToken(), "permission denied", "permission denied", hashed("permission denied")),
        (BadRequest("bad cas"), None, None, hashed("bad cas")),
        (
            BadRequest("bad cas", kind="invalid request"),
            "invalid request",
            "1 error occurred:\n\t* invalid request\n\n",
            hashed("bad cas"),
        ),
        (
            NoRoute("a/b"),
            "unsupported path",
            "1 error occurred:\n\t* unsupported path\n\n",
            hashed('no handler for route "a/b". route entry not found.'),
        ),
        (UnsupportedPath(), "unsupported path", "1 error occurred:\n\t* unsupported path\n\n", None),
        (InternalError(), "internal error", "1 error occurred:\n\t* internal error\n\n", hashed("internal error")),
        (NotFound(), None, None, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, RequestError) else None,
)
def test_an_errors_class_is_told_and_its_text_hashed(
    error: RequestError, in_request: str | None, in_response: str | None, data: str | None
) -> None:
    asked, answered = lines(Exchange(request(), mount=MOUNT, error=error))
    assert asked.get("error") == in_request
    assert answered.get("error") == in_response
    assert answered["response"].get("data", {}).get("error") == data


def test_a_denial_tells_its_reason_and_that_no_policy_allowed() -> None:
    asked, answered = lines(Exchange(request(), mount=MOUNT, identity=owner(), allowed=False, error=DENIED))
    assert asked["reason"] == answered["reason"] == DENIED.reason
    assert asked["auth"]["policy_results"] == {"allowed": False}


def test_a_refusal_with_a_body_is_logged_with_it() -> None:
    gone = NotFound(data={"data": None, "metadata": {"deletion_time": "then", "version": 2}})
    _, answered = lines(Exchange(request(), mount=MOUNT, error=gone))
    assert answered["response"]["data"] == {
        "data": None,
        "metadata": {"deletion_time": hashed("then"), "version": 2},
    }


def test_an_unknown_token_is_logged_hashed_and_without_owner() -> None:
    asked, _ = lines(Exchange(request(), mount=MOUNT, error=BadToken()))
    assert asked["auth"] == {"token_type": "default"}
    assert asked["request"]["client_token"] == hashed(TOKEN)
    assert "client_token_accessor" not in asked["request"]


def test_a_login_has_no_token_before_and_its_new_one_after() -> None:
    auth = Auth(
        policies=["default", "dev"],
        token_policies=["default", "dev"],
        metadata={"username": "mitchell"},
        display_name="userpass-mitchell",
        client_token="hvs.new",
        accessor="new-accessor",
        lease_duration=3600,
        entity_id="entity-1",
        num_uses=5,
    )
    login = Request(id="r", operation=Operation.UPDATE, path="auth/userpass/login/mitchell", data={"password": "pw"})
    mount = MountInfo("auth/userpass/", "userpass", "u", "auth_userpass_1", kind="auth")
    asked, answered = lines(Exchange(login, mount=mount, allowed=True, response=Response(auth=auth)))
    assert asked["auth"] == {"policy_results": {"allowed": True}, "token_type": "default"}
    assert asked["request"]["mount_class"] == "auth"
    assert "client_token" not in asked["request"]
    assert asked["request"]["data"] == {"password": hashed("pw")}
    shown = {
        "client_token": hashed("hvs.new"),
        "accessor": hashed("new-accessor"),
        "display_name": "userpass-mitchell",
        "policies": ["default", "dev"],
        "token_policies": ["default", "dev"],
        "metadata": {"username": "mitchell"},
        "entity_id": "entity-1",
        "token_type": "service",
        "token_ttl": 3600,
    }
    assert answered["auth"] == shown
    assert answered["response"]["auth"] == {**shown, "num_uses": 5}


def test_a_created_token_is_in_the_answer_only() -> None:
    made = Response(auth=Auth(client_token="hvs.new", lease_duration=60))
    asked, answered = lines(Exchange(request(path="auth/token/create"), identity=owner(), response=made))
    assert asked["auth"] == answered["auth"]
    assert answered["response"]["auth"] == {
        "client_token": hashed("hvs.new"),
        "token_type": "service",
        "token_ttl": 60,
    }


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (Auth(client_token=TOKEN), "2025-01-07T10:30:00Z"),
        (Auth(client_token="hvs.other", issue_time=1_736_245_801_999_999_999), "2025-01-07T10:30:01Z"),
        (Auth(client_token="hvs.new"), None),
    ],
    ids=["its own", "another's", "a new one"],
)
def test_a_renewed_token_tells_when_it_was_issued(auth: Auth, expected: str | None) -> None:
    who = owner(issue_time=1_736_245_800_000_000_000)
    _, answered = lines(Exchange(request(path="auth/token/renew"), identity=who, response=Response(auth=auth)))
    assert answered["response"]["auth"].get("token_issue_time") == expected


def test_a_wrapped_answer_shows_the_wrapping_only() -> None:
    wrap = WrapInfo("hvs.wrap", "wrap-accessor", 60, 1_736_245_800_500_000_000, "kv/app", "inner-accessor")
    answer = Response(data={"a": "b"}, auth=Auth(client_token="hvs.inner"), wrap=wrap)
    asked, answered = lines(Exchange(request(wrap_ttl=60), mount=MOUNT, identity=owner(), response=answer))
    assert asked["request"]["wrap_ttl"] == 60
    assert "data" not in answered["response"]
    assert "auth" not in answered["response"]
    assert answered["response"]["wrap_info"] == {
        "ttl": 60,
        "token": hashed("hvs.wrap"),
        "accessor": hashed("wrap-accessor"),
        "creation_time": "2025-01-07T10:30:00.5Z",
        "creation_path": "kv/app",
        "wrapped_accessor": hashed("inner-accessor"),
    }


@pytest.mark.parametrize(
    ("lease", "expected"),
    [(None, None), (Lease(60), {}), (Lease(60, "db/creds/x/1", True), {"lease_id": "db/creds/x/1"})],
)
def test_a_leases_id_is_readable(lease: Lease | None, expected: dict[str, str] | None) -> None:
    _, answered = lines(Exchange(request(), mount=MOUNT, response=Response(data={"a": 1}, lease=lease)))
    assert answered["response"].get("secret") == expected


def test_warnings_are_readable() -> None:
    _, answered = lines(Exchange(request(), response=Response(data={"a": 1}, warnings=["mind the gap"])))
    assert answered["response"]["warnings"] == ["mind the gap"]


def test_an_answer_outside_the_envelope_has_its_numbers_hashed() -> None:
    answer = Response(bare={"nonce": "", "required": 1, "started": False})
    _, answered = lines(Exchange(request(path="sys/generate-root/attempt"), response=answer))
    assert answered["response"] == {
        "data": {"nonce": hashed(""), "required": hashed("1"), "started": False},
        "headers": {"Cache-Control": ["no-store"], "Content-Type": ["application/json"]},
    }


def test_a_body_of_bytes_is_hashed_as_one() -> None:
    answer = Response(bare=b"-----BEGIN\xff", content_type="application/pkix-cert", status=200)
    _, answered = lines(Exchange(request(path="pki/ca"), response=answer))
    assert answered["response"]["data"] == {
        "http_content_type": hashed("application/pkix-cert"),
        "http_raw_body": "hmac-sha256:" + hmac.new(SALT.encode(), b"-----BEGIN\xff", hashlib.sha256).hexdigest(),
        "http_status_code": 200,
    }
    _, raw = lines(Exchange(request(path="pki/ca"), response=answer), log_raw=True)
    assert raw["response"]["data"]["http_raw_body"] == "-----BEGIN\ufffd"


def test_only_configured_headers_are_logged() -> None:
    asked, _ = lines(
        Exchange(request(headers={"x-plain": "one, two", "x-secret": "hush", "x-other": "unseen"})),
        {"x-plain": False, "x-secret": True, "x-absent": True},
    )
    assert asked["request"]["headers"] == {"x-plain": ["one, two"], "x-secret": [hashed("hush")]}
    asked, _ = lines(Exchange(request(headers={"x-other": "unseen"})), {"x-plain": False})
    assert "headers" not in asked["request"]


def test_accessors_can_be_left_readable_but_not_within_data() -> None:
    wrap = WrapInfo("hvs.wrap", "wrap-accessor", 60, 0, "p", "inner-accessor")
    exchange = Exchange(request(data={"accessor": "acc"}), identity=owner(), response=Response(wrap=wrap))
    asked, answered = lines(exchange, hmac_accessor=False)
    assert asked["auth"]["accessor"] == asked["request"]["client_token_accessor"] == "acc"
    assert asked["request"]["client_token"] == hashed(TOKEN)
    assert asked["request"]["data"] == {"accessor": hashed("acc")}
    assert answered["response"]["wrap_info"]["accessor"] == "wrap-accessor"
    assert answered["response"]["wrap_info"]["wrapped_accessor"] == "inner-accessor"
    assert answered["response"]["wrap_info"]["token"] == hashed("hvs.wrap")


def test_log_raw_hashes_nothing_and_keeps_each_line_one_line() -> None:
    exchange = Exchange(
        request(Operation.UPDATE, data={"n": 1.5, "s": "x"}, raw={"n": msgspec.Raw(b"1.50"), "s": msgspec.Raw(b'"x"')}),
        identity=owner(),
        response=Response(data={"data": msgspec.Raw(b'{\n "big": 12345678901234567890123,\n "a\\n": "b"}')}),
    )
    form = Formatter(Salt(SALT), log_raw=True)
    asked, answered = form.request(exchange, {}, TIME), form.response(exchange, {}, TIME)
    assert b'"data":{"n":1.50,"s":"x"}' in asked
    assert b'"client_token":"hvs.CAESIJ-secret-token"' in asked
    assert b'{"data":{"big":12345678901234567890123,"a\\n":"b"}}' in answered
    assert asked.count(b"\n") == answered.count(b"\n") == 1
    assert b"hmac-sha256" not in asked + answered


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        {"keys": ["a", "b"], "key_info": {"a": {"x": "y"}}},
        msgspec.Raw(b'{"keys":["a","b"],"key_info":{"a":{"x":"y"}}}'),
    ],
    ids=["mapping", "raw"],
)
def test_lists_can_be_counted_instead_of_told(raw: bool, data: Any) -> None:
    exchange = Exchange(request(Operation.LIST, "kv/"), mount=MOUNT, response=Response(data=data))
    _, answered = lines(exchange, elide_list_responses=True, log_raw=raw)
    assert answered["response"]["data"] == {"keys": 2, "key_info": 1}
    exchange = Exchange(request(Operation.READ), response=Response(data={"keys": ["a"]}))
    _, answered = lines(exchange, elide_list_responses=True, log_raw=raw)
    assert answered["response"]["data"]["keys"] == ["a" if raw else hashed("a")]


def test_the_prefix_stands_before_the_line() -> None:
    line = Formatter(Salt(SALT), prefix="@cee: ").request(Exchange(request()), {}, TIME)
    assert re.fullmatch(rb"@cee: \{\S+\}\n", line)


def test_a_write_that_creates_says_so() -> None:
    asked, _ = lines(Exchange(request(Operation.UPDATE), operation=Operation.CREATE))
    assert asked["request"]["operation"] == "create"


def test_timestamps_stay_readable() -> None:
    _, answered = lines(Exchange(request(), response=Response(data={"expire_time": Timestamp(0), "ttl": 5})))
    assert answered["response"]["data"] == {"expire_time": "1970-01-01T00:00:00Z", "ttl": 5}


def test_jsonx_is_the_lines_xml() -> None:
    login = Request(id="r", operation=Operation.UPDATE, path="a<b", data={"on": True, "none": None}, remote_port=5)
    line = Formatter(Salt(SALT), jsonx=True).request(Exchange(login, error=BadRequest(kind="a\nb")), {}, TIME)
    assert line.decode() == (
        '<json:object name="auth"><json:string name="token_type">default</json:string></json:object>'
        '<json:string name="error">a&#xA;b</json:string>'
        '<json:object name="request"><json:object name="data"><json:null name="none" />'
        '<json:boolean name="on">true</json:boolean></json:object><json:string name="id">r</json:string>'
        '<json:object name="namespace"><json:string name="id">root</json:string></json:object>'
        '<json:string name="operation">update</json:string><json:string name="path">a&lt;b</json:string>'
        '<json:number name="remote_port">5</json:number></json:object>'
        f'<json:string name="time">{TIME.decode()}</json:string><json:string name="type">request</json:string>\n'
    )


def test_the_documents_searches_find_what_they_say() -> None:
    form = Formatter(Salt(SALT))
    who = owner(metadata={"role": "workflow", "service_account_name": "workflow-service"})
    denied = Exchange(request(), mount=MOUNT, identity=who, error=DENIED, allowed=False)
    log = [make(denied, {}, TIME).decode() for make in (form.request, form.response)]
    for search in (
        '"error":"permission denied"',
        '"path":"secret/data/openai"',
        '"service_account_name":"workflow-service"',
    ):
        assert all(search in line for line in log)


def test_what_is_remembered_of_an_answer_holds_only_for_what_was_asked_then() -> None:
    form, mount = Formatter(Salt(SALT)), MountInfo(path="secret/", type="kv", uuid="u", accessor="kv_1")

    def data(path: str, answer: dict[str, Any], *keys: str) -> Any:
        asked = Exchange(
            request(path=path), mount, owner(), response=Response(data=answer), non_hmac_response_keys=frozenset(keys)
        )
        return json.loads(form.response(asked, {}, TIME))["response"]["data"]

    for _ in range(2):
        assert data("secret/a", {"k": "v"}) == {"k": hashed("v")}
        assert data("secret/a", {"k": "w"}) == {"k": hashed("w")}
        assert data("secret/a", {"k": "v"}, "k") == {"k": "v"}
        assert data("secret/b", {"k": Timestamp(0)}) == {"k": "1970-01-01T00:00:00Z"}


def test_what_is_remembered_of_a_token_goes_with_its_identity() -> None:
    form, mount = Formatter(Salt(SALT)), MountInfo(path="secret/", type="kv", uuid="u", accessor="kv_1")

    def auth(who: Identity, **more: Any) -> Any:
        return json.loads(form.request(Exchange(request(), mount, who, **more), {}, TIME))["auth"]

    first, renewed = owner(ttl=60), owner(ttl=120)
    assert [auth(who).get("token_ttl") for who in (first, first, renewed, first)] == [60, 60, 120, 60]
    assert auth(first, allowed=True, granting=("a",))["policy_results"]["granting_policies"][0]["name"] == "a"
    assert auth(first, allowed=False)["policy_results"] == {"allowed": False}
