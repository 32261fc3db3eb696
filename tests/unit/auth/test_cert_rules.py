"""Which certificates are trusted and let in: paths, names, extensions; and texts that are no certificates."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from tests.support.authorities import CLIENT, SERVER, Authority, Issued, custom, key, text

from strongroom.auth.cert import pem
from strongroom.auth.cert.engine import Role
from strongroom.auth.cert.paths import Untrusted, _not_plain, path, times
from strongroom.auth.cert.presented import Presented, presented, text_of
from strongroom.auth.cert.rules import judge, parse_extension
from strongroom.errors import BadRequest

ROOT = Authority("Root")
ISSUING = ROOT.child("Issuing")


def walked(client: Issued, *anchors: Issued) -> list[str]:
    return [
        one.subject.rfc4514_string()
        for one in path(client.cert, client.above, tuple(a.cert for a in anchors), time.time())
    ]


def untrusted(client: Issued, *anchors: Issued) -> str:
    with pytest.raises(Untrusted) as caught:
        walked(client, *anchors)
    return str(caught.value)


# -- Paths -------------------------------------------------------------------------------------------------------------


def test_a_path_goes_through_what_the_client_showed_to_what_is_trusted() -> None:
    client = ISSUING.child("Deeper").issue("web")
    assert walked(client, ROOT) == ["CN=web", "CN=Deeper", "CN=Issuing", "CN=Root"]


def test_an_authority_need_not_be_a_root_to_be_trusted() -> None:
    assert walked(ISSUING.issue("web"), ISSUING) == ["CN=web", "CN=Issuing"]


def test_an_authority_that_shows_itself_is_its_own_path() -> None:
    # What `openssl req -x509` makes by default.
    assert walked(ROOT, ROOT) == ["CN=Root"]


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_authorities_have_the_keys_of_the_web(curve: ec.EllipticCurve) -> None:
    root = Authority("Root", key=ec.generate_private_key(curve))
    assert walked(root.issue("web"), root) == ["CN=web", "CN=Root"]


def test_a_clients_own_key_may_be_of_any_kind() -> None:
    for private in (ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)):
        assert walked(ROOT.issue("web", key=private), ROOT) == ["CN=web", "CN=Root"]


EXPIRED = ROOT.child("Expired", days=(-9, -2))
SHORT = ROOT.child("Short", path_length=0)
NAMED = ROOT.child(
    "Named",
    extensions=[(x509.NameConstraints([x509.DNSName("team.example")], [x509.DNSName("no.team.example")]), True)],
)
WITHOUT_SIGNING = ROOT.child(
    "WithoutSigning",
    extensions=[(x509.KeyUsage(True, False, False, False, False, False, True, False, False), True)],
)
NO_AUTHORITY = ROOT.issue("leaf")


def below(signer: Issued, name: str = "web", **knobs: Any) -> Issued:
    """A certificate signed by whoever, authority or not."""
    from tests.support.authorities import build

    private = key()
    cert = build(name, private, signer, **knobs)  # type: ignore[arg-type]
    return Issued(cert, private, (signer.cert, *signer.above))


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        (Authority("Other").issue("web"), 'nobody who is trusted has issued "CN=web"; its issuer is "CN=Other"'),
        (Authority("Root").issue("web", key_ids=False), "signature does not match"),
        (
            Issued(ISSUING.issue("web").cert, key()),
            'nobody who is trusted has issued "CN=web"; its issuer is "CN=Issuing"',
        ),
        (ROOT.issue("web", days=(-3, -2)), 'certificate "CN=web" expired on '),
        (ROOT.issue("web", days=(1, 2)), 'certificate "CN=web" is not valid before '),
        (EXPIRED.issue("web"), 'certificate "CN=Expired" expired on '),
        (SHORT.child("TooDeep").issue("web"), "path length constraint violated"),
        (below(NO_AUTHORITY), "CA certificate has no basicConstraints"),
        (WITHOUT_SIGNING.issue("web"), "an issuer's key usage does not include signing certificates"),
        (ROOT.issue("web", usage=(SERVER,)), "the extended key usage does not include client authentication"),
        (NAMED.issue("web", dns=["web.other.example"]), "no permitted name constraints matched SAN"),
        (NAMED.issue("web", dns=["no.team.example"]), "excluded name constraint matched SAN"),
        (
            ROOT.issue("web", extensions=[custom("1.2.3.4", text("x"), critical=True)]),
            "certificate contains unaccounted-for critical extensions",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_who_is_not_trusted_and_why(client: Issued, reason: str) -> None:
    assert reason in untrusted(client, ROOT)


@pytest.mark.parametrize("usage", [(CLIENT,), (SERVER, CLIENT), (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), ()])
def test_a_certificate_for_clients_or_for_anything_is_good(usage: Any) -> None:
    assert walked(ROOT.issue("web", usage=usage), ROOT)


def test_names_within_the_constraints_are_good() -> None:
    assert walked(NAMED.issue("web", dns=["a.team.example"]), ROOT) == ["CN=web", "CN=Named", "CN=Root"]


def test_a_certificate_is_good_from_its_first_to_its_last_second() -> None:
    cert = ROOT.issue("web").cert
    begins, ends = cert.not_valid_before_utc.timestamp(), cert.not_valid_after_utc.timestamp()
    assert [bool(times(cert, at)) for at in (begins - 1, begins, ends, ends + 1)] == [True, False, False, True]
    assert times(cert, ends + 90).endswith(", 90 s ago")
    assert times(cert, ends + 3 * 86400).endswith(", 3 days ago")


# What `openssl req -x509` and `openssl x509 -req` made, for a hundred years; the keys are gone.
OLD_ROOT = """\
-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUCq8FwxBjzvkXASwT1uQkUrnecZEwCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDT2xkMCAXDTI2MTEyOTA3NTQxMloYDzIxMjYxMTA1MDc1NDEy
WjAOMQwwCgYDVQQDDANPbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQbiBk6
Z4PuyZhWdPFsXMepMokiDGAoanRbzGhdNMANHCOWxe01y6hs7iiL8sTuMP/Z6dMl
MsTWUvFVlv8Y0Je7o1MwUTAdBgNVHQ4EFgQUWfhxfTwmUXkMYIn6SOzrCbu/8mIw
HwYDVR0jBBgwFoAUWfhxfTwmUXkMYIn6SOzrCbu/8mIwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiEAqH0qk9sY8m/G8CDwAfhFMQguVfPiv321UmF5
SHglqvYCIEczcQqYUsvPY+mB4rGQkrKoFlxP9mXZWhcNE6Wm7kUV
-----END CERTIFICATE-----
"""
OLD = """\
-----BEGIN CERTIFICATE-----
MIIBHTCBwwIUeeOCahcHok1zbYn2f/ViPRPBkEUwCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDT2xkMCAXDTI2MTEyOTA3NTQxMloYDzIxMjYxMTA1MDc1NDEyWjASMRAw
DgYDVQQDDAdvbGQtd2ViMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEF2BPYZBB
hMsvZ9uGFyhwZJHj+k1n6umzMVa8IHWAzyzjBO8OyMtxZi1qvI2sSI4IbUjt+jKm
IrdKIUsgUTQ7gzAKBggqhkjOPQQDAgNJADBGAiEAkUMnBTGqLgKfHxRd4MJ6W6FH
e07hYS+SUYANpK3LuLMCIQD1/sVI9Eert22FP/qHD7UsTuqQKAlJjT6up7OFZzpI
LQ==
-----END CERTIFICATE-----
"""
OLD_SHA1 = """\
-----BEGIN CERTIFICATE-----
MIIBGjCBwgIUdV6VfBRFKPfnJClbeRlKVOEaKywwCQYHKoZIzj0EATAOMQwwCgYD
VQQDDANPbGQwIBcNMjYxMTI5MDc1NDEyWhgPMjEyNjExMDUwNzU0MTJaMBIxEDAO
BgNVBAMMB29sZC13ZWIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQXYE9hkEGE
yy9n24YXKHBkkeP6TWfq6bMxVrwgdYDPLOME7w7Iy3FmLWq8jaxIjghtSO36MqYi
t0ohSyBRNDuDMAkGByqGSM49BAEDSAAwRQIgQDn+HWtVBKrlhF1bn/c3ea4xxnlt
AgZmsJinw3p5h4QCIQCFTdflo1rMThKrFGUFVhaWQrjitq9qmwh6Ol6oatghag==
-----END CERTIFICATE-----
"""


def old(client: str, *anchors: str, at: float = 0) -> list[str]:
    (leaf,) = pem.certificates(client)
    trusted = tuple(one for text in anchors for one in pem.certificates(text))
    return [one.subject.rfc4514_string() for one in path(leaf, (), trusted, at or time.time())]


def test_a_certificate_of_version_1_is_good_right_below_what_is_trusted() -> None:
    assert old(OLD, ROOT.pem, OLD_ROOT) == ["CN=old-web", "CN=Old"]
    assert old(OLD, OLD_ROOT, OLD) == ["CN=old-web", "CN=Old"]


def test_a_certificate_of_version_1_is_good_nowhere_else() -> None:
    century = 101 * 365 * 86400
    for client, anchors, at, reason in (
        (OLD, [ROOT.pem], 0, "must be signed by a trusted authority itself"),
        (OLD, [Authority("Old").pem], 0, "must be signed by a trusted authority itself"),
        (OLD_SHA1, [OLD_ROOT], 0, "must be signed by a trusted authority itself"),
        (OLD, [OLD_ROOT], time.time() + century, '"CN=old-web" expired on '),
        (OLD, [OLD_ROOT], 1, '"CN=old-web" is not valid before '),
    ):
        with pytest.raises(Untrusted, match=reason):
            old(client, *anchors, at=at)


@pytest.mark.parametrize(
    ("anchor", "reason"),
    [
        (ROOT, ""),
        (NAMED, "an authority with constraints"),
        (ROOT.child("S", extensions=[(x509.ExtendedKeyUsage([SERVER]), False)]), "an authority with constraints"),
        (WITHOUT_SIGNING, "no authority that may sign"),
        (NO_AUTHORITY, "no authority that may sign"),
    ],
)
def test_who_may_sign_certificates_of_version_1(anchor: Issued, reason: str) -> None:
    assert reason in (why := _not_plain(anchor.cert))
    assert bool(why) is bool(reason)


# -- Rules -------------------------------------------------------------------------------------------------------------

WEB = presented(
    ROOT.issue(
        "web-1",
        units=["ops", "core"],
        dns=["web.example", "www.example"],
        emails=["web@team.example"],
        uris=["spiffe://team/web"],
        extensions=[custom("1.2.3.4", text("blue-7")), custom("1.2.3.5", b"\x02\x01\x2a")],
    ).shown
)
BARE = presented(ROOT.issue("").shown)


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("allowed_common_names", [["web-1"], ["web-*"], ["no", "*"]], [["web"], ["WEB-1"], ["web.example"], ["-*"]]),
        ("allowed_dns_sans", [["www.example"], ["*.example"]], [["web-1"], ["example"], ["web@*"]]),
        ("allowed_email_sans", [["web@team.example"], ["*@team.example"]], [["*@example"], ["web.example"]]),
        ("allowed_uri_sans", [["spiffe://team/*"], ["spiffe://team/web"]], [["spiffe://other/*"], ["web"]]),
        ("allowed_organizational_units", [["ops"], ["co*"]], [["op"], ["web-1"]]),
        ("allowed_names", [["web-1"], ["*.example"], ["web@*"]], [["spiffe://*"], ["ops"], ["other"]]),
        ("required_extensions", [["1.2.3.4:blue-*"], ["1.2.3.4:*"]], [["1.2.3.4:red"], ["1.2.3.6:*"]]),
        ("required_extensions", [["hex:1.2.3.5:02012A"], ["hex:1.2.3.5:*2a"]], [["hex:1.2.3.5:2a"], ["hex:1.2.3.6:*"]]),
        ("required_extensions", [["1.2.3.5:"], ["1.2.3.4:blue-7", "hex:1.2.3.5:0*"]], [["1.2.3.4:*", "1.2.3.5:42"]]),
    ],
)
def test_a_rule_lets_in_whom_one_of_its_patterns_matches(rule: str, good: list[Any], bad: list[Any]) -> None:
    for patterns in good:
        assert lets_in(WEB, **{rule: tuple(patterns)}), patterns
    for patterns in bad:
        assert not lets_in(WEB, **{rule: tuple(patterns)}), patterns
    assert lets_in(BARE, **{rule: ()})
    assert lets_in(BARE, **{rule: None})


def lets_in(shown: Presented, **rules: Any) -> bool:
    return all(rule.holds for rule in judge(Role(name="r", **rules), shown))


def test_a_rule_that_is_there_needs_a_name_of_its_kind() -> None:
    for rule in ("allowed_dns_sans", "allowed_email_sans", "allowed_uri_sans", "allowed_organizational_units"):
        assert not lets_in(BARE, **{rule: ("*",)}), rule


def test_all_rules_of_a_role_must_hold() -> None:
    assert lets_in(WEB, allowed_common_names=("web-*",), allowed_dns_sans=("*.example",))
    assert not lets_in(WEB, allowed_common_names=("web-*",), allowed_dns_sans=("*.other",))


def test_a_reason_tells_what_was_there_and_what_was_wanted() -> None:
    (rule,) = judge(Role(name="r", allowed_common_names=("app-*",)), WEB)
    assert rule.detail == 'no pattern of ["app-*"] fits its common name ["web-1"]'
    (rule,) = judge(Role(name="r", allowed_dns_sans=("a", "b")), BARE)
    assert rule.detail == 'the certificate has no DNS names for the patterns ["a", "b"]'
    (rule,) = judge(Role(name="r", allowed_dns_sans=tuple("abcdefgh")), WEB)
    assert '["a", "b", "c", "d", "e"] and 3 more fits' in rule.detail


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "x:y", "hex:1.2", "hex:x:y", ":", "9.1:x", "1..2:x", "1.2." + "9" * 60 + ":x"]
)
def test_what_is_no_required_extension(text: str) -> None:
    with pytest.raises(BadRequest, match="oid:value"):
        parse_extension(text)


def test_a_pattern_may_have_colons() -> None:
    assert parse_extension("1.2.3:a:b") == ("1.2.3", "a:b", False)
    assert parse_extension("hex:1.2.3:AB") == ("1.2.3", "ab", True)


@pytest.mark.parametrize(
    ("der", "text"),
    [
        (b"\x0c\x03a\xc3\xa4", "a\u00e4"),
        (b"\x13\x01a", "a"),
        (b"\x16\x01a", "a"),
        (b"\x1e\x02\x00a", "a"),
        (b"\x0c\x81\x80" + b"a" * 128, "a" * 128),
        (b"\x0c\x00", ""),
        (b"\x02\x01a", ""),
        (b"\x0c\x02a", ""),
        (b"\x0c\x01ab", ""),
        (b"\x0c\x01\xff", ""),
        (b"\x0c\x80", ""),
        (b"\x0c\x88" + bytes(8), ""),
        (b"", ""),
        (b"\x0c", ""),
    ],
)
def test_texts_in_extensions(der: bytes, text: str) -> None:
    assert text_of(der) == text


# -- What comes from outside -------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_an_extension(raw: bytes) -> None:
    assert isinstance(text_of(raw), str)


VALID = ISSUING.issue("web", dns=["web.example"], emails=["a@b.c"], extensions=[custom("1.2.3.4", text("x"))]).shown[0]


@pytest.mark.filterwarnings("ignore")  # the library warns of serial numbers and names that are read all the same
@given(st.data())
def test_a_damaged_certificate_is_refused_or_read_never_more(data: st.DataObject) -> None:
    raw = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))]) if data.draw(st.booleans()) else bytes(raw)
    try:
        shown = presented((cut, *ISSUING.shown))
    except pem.BadCertificate:
        return
    for rule in judge(Role(name="r", allowed_names=("*",), required_extensions=("1.2.3.4:*",)), shown):
        assert isinstance(rule.detail, str)
    assert len(shown.key) == len(shown.holder) == 64
    try:
        path(shown.leaf, shown.rest, (ROOT.cert,), time.time())
    except Untrusted as e:
        assert str(e)  # noqa: PT017 - one that only looks different has a path
    else:
        assert cut == VALID


@pytest.mark.filterwarnings("ignore")
@given(st.text(alphabet="-BEGINCRTFAD \nabc=+/019", max_size=300) | st.text(max_size=100))
def test_no_text_breaks_the_reading_of_pem(text: str) -> None:
    block = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"
    for one in (text, block, ROOT.pem + block, text + ROOT.pem):
        try:
            assert all(isinstance(cert, x509.Certificate) for cert in pem.certificates(one))
        except pem.BadCertificate as e:
            assert str(e)  # noqa: PT017 - some texts are certificates


@pytest.mark.parametrize(
    ("certificate", "problem"),
    [
        ("", "failed to parse certificate"),
        ("nonsense", "failed to parse certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate 1 of it is damaged"),
        (ROOT.pem + ROOT.pem[:-60] + "!\n-----END CERTIFICATE-----", "certificate 2 of it is damaged"),
        (ROOT.pem.replace("BEGIN C", "BEGIN TRUSTED C").replace("END C", "END TRUSTED C"), "TRUSTED CERTIFICATE"),
        (ROOT.pem * 101, "more than 100 certificates"),
        ("x" * (pem.MOST_TEXT + 1), "longer than 1048576 characters"),
        (ROOT.issue("web", usage=(SERVER,)).pem, "nonCA certificates should have TLS client authentication set"),
        (Authority("Weak", key=rsa.generate_private_key(65537, 1024)).pem, "RSA of at least 2048 bits"),
        (Authority("Ed", key=ed25519.Ed25519PrivateKey.generate()).pem, "RSA of at least 2048 bits"),
        (Authority("P224", key=ec.generate_private_key(ec.SECP224R1())).pem, "P-256, P-384 or P-521"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) and value[:5] != "-----" else "",
)
def test_what_a_role_cannot_trust(certificate: str, problem: str) -> None:
    with pytest.raises(BadRequest, match=problem):
        pem.check_trusted(certificate)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x67"),  # an unknown curve
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x0a"),  # version 11
        (b"\x04\x14", b"\x04\x13"),  # a key id that is too short
    ],
    ids=["an unknown curve", "an unknown version", "a length that is wrong"],
)
def test_a_certificate_that_is_only_half_readable_is_refused_as_a_whole(old: bytes, new: bytes) -> None:
    assert old in VALID
    with pytest.raises(pem.BadCertificate, match="cannot be read"):
        presented((VALID.replace(old, new),))


def test_what_stands_between_certificates_is_no_matter() -> None:
    assert len(pem.certificates("Root:\n" + ROOT.pem + "\nand\r\n" + ISSUING.pem.replace("\n", "\r\n"))) == 2


def test_a_client_may_show_only_so_many_certificates() -> None:
    with pytest.raises(pem.BadCertificate, match="at most 20"):
        presented(ROOT.shown * 21)


def test_who_is_who_after_a_renewal() -> None:
    private = key()
    web = presented(ISSUING.issue("web", key=private, dns=["a"]).shown)
    same_key = presented(ROOT.issue("other", key=private).shown)
    same_names = presented(ISSUING.issue("web", dns=["a"]).shown)
    assert (same_key.key == web.key, same_key.holder == web.holder) == (True, False)
    assert (same_names.key == web.key, same_names.holder == web.holder) == (False, True)
    for other in (
        ISSUING.issue("web", dns=["b"]),
        ISSUING.issue("web2", dns=["a"]),
        ROOT.issue("web", dns=["a"]),
        ROOT.child("Issuing").issue("web", dns=["a"]),
    ):
        assert presented(other.shown).holder != web.holder
