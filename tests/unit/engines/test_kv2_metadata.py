"""KV version 2: settings, custom metadata, lists and subkeys."""

import msgspec
import pytest
from tests.unit.engines.harness import run, with_data

from strongroom.engines.kv import BACKEND
from strongroom.engines.kv.v2.subkeys import shape

V2 = {"version": "2"}
FAILED = "custom_metadata validation failed"


def kv2(work):
    return run(work, BACKEND, V2)


def test_a_mounts_settings_change_one_by_one():
    async def work(m):
        defaults = {"cas_required": False, "delete_version_after": "0s", "max_versions": 0}
        assert (await m("GET", "config")).data == defaults
        for body in ({}, None, {"no_such_setting": 1}):
            assert (await m("POST", "config", body)).status == 204
        assert m.stored() == []
        await m("POST", "config", {"max_versions": "7", "cas_required": "true", "delete_version_after": 90})
        assert (await m("GET", "config")).data == {
            "cas_required": True,
            "delete_version_after": "1m30s",
            "max_versions": 7,
        }
        await m("PUT", "config", {"delete_version_after": "-5m"})
        assert (await m("GET", "config")).data["delete_version_after"] == "-1s"
        assert (await m("GET", "config")).data["max_versions"] == 7
        await m("POST", "config", {"delete_version_after": 0, "max_versions": 0, "cas_required": False})
        assert (await m("GET", "config")).data == defaults

    kv2(work)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("config", {"max_versions": 3, "cas_required": "maybe"}),
        ("config", {"max_versions": "many"}),
        ("config", {"max_versions": -1}),
        ("config", {"max_versions": 2**32}),
        ("config", {"delete_version_after": "soon"}),
        ("metadata/b", {"max_versions": "lots"}),
        ("metadata/b", {"max_versions": -1}),
        ("metadata/b", {"max_versions": 3, "cas_required": "perhaps"}),
        ("metadata/b", {"delete_version_after": "-5s"}),
        ("metadata/b", {"delete_version_after": "later"}),
        ("metadata/b", {"max_versions": 3, "custom_metadata": "text"}),
        ("metadata/b", {"max_versions": 3, "custom_metadata": {"a": ""}}),
    ],
)
def test_settings_of_the_wrong_kind_change_nothing(endpoint, body):
    async def work(m):
        assert (await m("POST", endpoint, body)).status == 400
        assert m.stored() == []

    kv2(work)


def test_metadata_may_come_before_data():
    async def work(m):
        settings = {"max_versions": 4, "delete_version_after": "3h25m19s", "custom_metadata": {"owner": "ops"}}
        assert (await m("POST", "metadata/first", settings)).status == 204
        assert (await m("GET", "metadata/first")).data == {
            "cas_required": False,
            "created_time": "2023-11-14T22:13:20Z",
            "current_version": 0,
            "custom_metadata": {"owner": "ops"},
            "created_by": None,
            "delete_version_after": "3h25m19s",
            "last_read_by": None,
            "last_read_time": "",
            "max_versions": 4,
            "oldest_version": 0,
            "updated_time": "2023-11-14T22:13:20Z",
            "versions": {},
        }
        assert (await m("GET", "data/first")).errors == []
        assert (await m("LIST", "metadata")).data == {"keys": ["first"]}
        m.clock.advance(1)
        assert (await m("POST", "data/first", {"data": {}})).data["custom_metadata"] == {"owner": "ops"}
        answer = await m("GET", "metadata/first")
        assert answer.data["created_time"] == "2023-11-14T22:13:20Z"
        assert answer.data["updated_time"] == "2023-11-14T22:13:21Z"
        assert answer.data["versions"] == {
            "1": {
                "created_by": None,
                "created_time": "2023-11-14T22:13:21Z",
                "deletion_time": "2023-11-15T01:38:40Z",
                "destroyed": False,
                "last_read_by": None,
                "last_read_time": "",
            }
        }

    kv2(work)


def test_a_setting_that_is_not_named_stays_and_nothing_named_creates_nothing():
    async def work(m):
        for body in ({}, {"nonsense": True}, None):
            assert (await m("POST", "metadata/w", body)).status == 204
        assert m.stored() == []
        await m("POST", "metadata/w", {"max_versions": "3"})
        await m("PUT", "metadata/w", {"cas_required": "true"})
        await m("POST", "metadata/w", {"delete_version_after": 120})
        data = (await m("GET", "metadata/w")).data
        assert (data["max_versions"], data["cas_required"], data["delete_version_after"]) == (3, True, "2m0s")

    kv2(work)


def test_a_key_cannot_opt_out_of_what_its_mount_demands():
    async def work(m):
        await m("POST", "config", {"cas_required": True})
        answer = await m("POST", "metadata/k", {"cas_required": False})
        assert (answer.status, answer.data) == (200, None)
        assert "mandated by backend config" in answer.warnings[0]
        assert (await m("POST", "metadata/k", {"cas_required": True})).status == 204

    kv2(work)


def test_removing_a_key_is_for_good_and_takes_its_folder_along():
    async def work(m):
        for name in ("one", "two"):
            await m("POST", f"data/dir/{name}", {"data": {}})
        await m("DELETE", "metadata/dir/one")
        assert (await m("GET", "data/dir/one", query={"version": "1"})).errors == []
        assert (await m("LIST", "metadata/dir")).data == {"keys": ["two"]}
        await m("DELETE", "metadata/dir/two")
        assert (await m("LIST", "metadata")).errors == []
        assert m.stored() == []

    kv2(work)


def test_lists_show_one_level_in_byte_order_and_come_in_pages():
    async def work(m):
        for path in ("b10", "b2", "UPPER", "a", "a/e", "a/b/c", "\u043a\u043b\u044e\u0447", "deep/x", "deep-er", "50%"):
            await m("POST", f"data/{path}", {"data": {}})
        every = ["50%", "UPPER", "a", "a/", "b10", "b2", "deep-er", "deep/", "\u043a\u043b\u044e\u0447"]
        assert (await m("LIST", "metadata")).data == {"keys": every}
        assert (await m("LIST", "metadata/a/")).data == {"keys": ["b/", "e"]}
        assert (await m("LIST", "metadata/b2")).errors == []
        for limit in ("0", "-1", ""):
            assert (await m("LIST", "metadata", query={"limit": limit})).data == {"keys": every}
        assert (await m("LIST", "metadata", query={"after": "a", "limit": "2"})).data == {"keys": ["a/", "b10"]}
        assert (await m("LIST", "metadata", query={"after": "aa"})).data == {"keys": every[4:]}
        assert (await m("LIST", "metadata", query={"after": "\uffff"})).errors == []
        assert (await m("LIST", "metadata", query={"limit": "x"})).status == 400

    kv2(work)


@pytest.mark.parametrize(
    ("pairs", "stored"),
    [
        ({"owner": "ops", "Contact Person": "ada@example.org"}, None),
        ('{"n": 5, "big": 123456789012345678901, "f": 1.50, "e": 1e3}', {"n": "5", "big": "123456789012345678901"}),
        ({"t": True, "f": False}, {"t": "1", "f": "0"}),
        ({f"k{n}": "v" for n in range(64)}, None),
        ({"k" * 128: "v" * 512}, None),
        ({"\u00e9": "\u043a\u043b\u044e\u0447 \U0001f510"}, None),
    ],
)
def test_custom_metadata_is_kept_as_text(pairs, stored):
    async def work(m):
        body = with_data(pairs, "custom_metadata") if isinstance(pairs, str) else {"custom_metadata": pairs}
        assert (await m("POST", "metadata/c", body)).status == 204
        shown = (await m("GET", "metadata/c")).data["custom_metadata"]
        assert shown.items() >= (stored or pairs).items()
        if isinstance(pairs, str):
            assert (shown["f"], shown["e"]) == ("1.50", "1e3")

    kv2(work)


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        ({f"k{n}": "v" for n in range(65)}, "payload must contain at most 64 keys, provided 65"),
        ({"k" * 129: "v"}, "is 129 but must be 0 < len(key) <= 128"),
        ({"\u00e9" * 65: "v"}, "is 130 but must be 0 < len(key) <= 128"),
        ({"": "v"}, 'length of key "" is 0'),
        ({"k": "v" * 513}, 'length of value for key "k" is 513 but must be 0 < len(value) <= 512'),
        ({"k": ""}, 'length of value for key "k" is 0'),
        ({"k": None}, 'length of value for key "k" is 0'),
        ({"nl": "a\nb"}, 'value for key "nl" contains unprintable characters'),
        ({"tab\there": "v"}, 'key "tab\\there" (tab\there) contains unprintable characters'),
        ({"m": {"x": 1}}, "'' expected type 'string', got unconvertible type 'map[string]interface {}'"),
        ({"l": ["a"]}, "'' expected type 'string', got unconvertible type '[]interface {}'"),
        ({"a": "", "b": ""}, "2 errors occurred:\n\t* "),
    ],
)
def test_custom_metadata_beyond_the_limits_is_refused_and_leaves_the_former(pairs, error):
    async def work(m):
        await m("POST", "metadata/c", {"custom_metadata": {"a": "1"}})
        for method in ("POST", "PATCH"):
            answer = await m(method, "metadata/c", {"custom_metadata": pairs})
            if method == "PATCH" and pairs == {"k": None}:
                continue
            assert answer.status == 400
            assert FAILED in answer.errors[0]
            if not (method == "PATCH" and "payload" in error):
                assert error in answer.errors[0]
        assert (await m("GET", "metadata/c")).data["custom_metadata"] == {"a": "1"}

    kv2(work)


def test_custom_metadata_is_replaced_by_a_write_and_merged_by_a_patch():
    async def work(m):
        async def shown():
            return (await m("GET", "metadata/p")).data["custom_metadata"]

        await m("POST", "metadata/p", {"custom_metadata": {"a": "1", "b": "2"}, "max_versions": 4})
        await m("PATCH", "metadata/p", {"custom_metadata": {"a": "one", "c": 3}})
        assert await shown() == {"a": "one", "b": "2", "c": "3"}
        await m("PATCH", "metadata/p", {"custom_metadata": {"b": None, "nothere": None}})
        assert await shown() == {"a": "one", "c": "3"}
        await m("PATCH", "metadata/p", {"max_versions": 6, "delete_version_after": "2h"})
        data = (await m("GET", "metadata/p")).data
        assert (data["max_versions"], data["delete_version_after"]) == (6, "2h0m0s")
        await m("POST", "metadata/p", {"custom_metadata": {"region": "eu"}})
        assert await shown() == {"region": "eu"}
        for body in ({}, {"nonsense": 1}):
            assert (await m("PATCH", "metadata/p", body)).status == 204
        for method, nothing in (("POST", {}), ("POST", None), ("PATCH", None)):
            await m("POST", "metadata/p", {"custom_metadata": {"region": "eu"}})
            await m(method, "metadata/p", {"custom_metadata": nothing})
            assert await shown() is None

    kv2(work)


def test_a_patch_of_the_metadata_of_an_unknown_key_is_404_without_a_body():
    async def work(m):
        answer = await m("PATCH", "metadata/none", {"max_versions": 2})
        assert (answer.status, answer.data, answer.errors) == (404, None, None)
        assert m.stored() == []

    kv2(work)


NESTED = b'{"a":1,"b":{"c":{"d":{"e":2}},"f":"x"},"l":[{"g":1}],"n":null,"empty":{}}'


@pytest.mark.parametrize(
    ("depth", "b"),
    [
        (0, {"c": {"d": {"e": None}}, "f": None}),
        (1, None),
        (2, {"c": None, "f": None}),
        (3, {"c": {"d": None}, "f": None}),
        (99, {"c": {"d": {"e": None}}, "f": None}),
        (-1, {"c": {"d": {"e": None}}, "f": None}),
    ],
)
def test_the_shape_of_an_object(depth, b):
    assert shape(msgspec.Raw(NESTED), depth) == {"a": None, "b": b, "l": None, "n": None, "empty": None}


def test_subkeys_of_versions_that_are_there_and_that_are_gone():
    async def work(m):
        assert (await m("GET", "subkeys/s")).errors == []
        for body in ('{"data":{"one":1}}', '{"data":{}}', '{"data":null}', '{"data":{"two":{"x":"secret"}}}'):
            await m("POST", "data/s", body)
        for version, names in (("1", {"one": None}), ("2", {}), ("3", {}), ("0", {"two": {"x": None}})):
            answer = await m("GET", "subkeys/s", query={"version": version})
            assert (answer.status, answer.data["subkeys"]) == (200, names)
        assert (await m("GET", "subkeys/s", query={"depth": "1"})).data["subkeys"] == {"two": None}
        assert (await m("GET", "subkeys/s", query={"depth": "deep"})).status == 400
        assert (await m("GET", "subkeys/s", query={"version": "5"})).errors == []
        await m("DELETE", "data/s")
        answer = await m("GET", "subkeys/s")
        assert (answer.status, answer.data["subkeys"], answer.data["metadata"]["version"]) == (404, None, 4)

    kv2(work)


def test_a_secret_that_is_nested_beyond_measure_is_refused_and_not_a_failure():
    async def work(m):
        deep = '{"a":' * 900 + "1" + "}" * 900
        assert (await m("POST", "data/k", '{"data":{"a":1}}')).status == 200
        for method, path in (("POST", "data/deep"), ("PATCH", "data/k")):
            assert (await m(method, path, with_data(deep))).status in (200, 400)
        assert (await m("GET", "subkeys/deep")).status in (200, 400)
        assert (await m("GET", "subkeys/deep", query={"depth": "2"})).data["subkeys"] == {"a": {"a": None}}

    kv2(work)
