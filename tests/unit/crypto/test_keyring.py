import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.aead import AEAD, new_key
from strongroom.crypto.keyring import ENTRY_OVERHEAD, USE_BLOB, Keyring
from strongroom.errors import CorruptEntry, CryptoError

ROOT = bytes(range(32))
PATH = b"core/keyring"


def test_an_entry_has_the_drawn_layout():
    ring = Keyring.new(7)
    entry = ring.encrypt(b"plain", b"a/b")
    assert entry[:5] == b"\x01\0\0\0\x01"
    assert len(entry) == len(b"plain") + ENTRY_OVERHEAD
    assert AEAD(ring.active.key).decrypt(entry[5:], entry[:5] + b"e" + b"a/b") == b"plain"


@given(st.binary(max_size=100), st.binary(max_size=30))
def test_what_was_encrypted_decrypts_after_any_rotation(plain, path):
    ring = Keyring.new(1)
    entries = []
    for turn in range(4):
        entries.append(ring.encrypt(plain, path))
        ring = ring.rotated(turn)
    assert [ring.decrypt(entry, path) for entry in entries] == [plain] * 4


def test_an_entry_is_bound_to_its_path_its_use_and_its_term():
    ring = Keyring.new(1).rotated(2)
    entry = ring.encrypt(b"plain", b"a")
    for changed, path, use in (
        (entry, b"b", b"e"),
        (entry, b"a", USE_BLOB),
        (b"\x01\0\0\0\x01" + entry[5:], b"a", b"e"),
        (b"\x01\0\0\0\x09" + entry[5:], b"a", b"e"),
        (b"\x02" + entry[1:], b"a", b"e"),
    ):
        with pytest.raises(CryptoError):
            ring.decrypt(changed, path, use)


@given(st.binary(max_size=80))
def test_foreign_bytes_are_refused(entry):
    with pytest.raises(CryptoError):
        Keyring.new(1).decrypt(entry, b"a")


def test_encryptions_are_counted_by_term():
    ring = Keyring.new(1)
    for _ in range(3):
        ring.encrypt(b"", b"")
    after = ring.rotated(2)
    after.encrypt(b"", b"")
    assert {number: term.encryptions for number, term in after.terms.items()} == {1: 3, 2: 1}


def test_a_sealed_ring_opens_as_it_was():
    ring = Keyring.new(123_456_789_012_345_678).rotated(5).rotated(6)
    ring.encrypt(b"", b"")
    opened = Keyring.open(ROOT, ring.seal(ROOT, PATH), PATH)
    assert opened.terms == ring.terms
    assert opened.active == ring.active


@pytest.mark.parametrize("root", [bytes(32), ROOT[:-1], b"", ROOT + b"\0"], ids=len)
def test_another_root_key_is_a_wrong_key_not_damage(root):
    with pytest.raises(CryptoError, match="does not fit"):
        Keyring.open(root, Keyring.new(1).seal(ROOT, PATH), PATH)


@given(st.data())
def test_any_changed_byte_is_damage_whatever_the_key(data):
    sealed = bytearray(Keyring.new(1).seal(ROOT, PATH))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CorruptEntry):
        Keyring.open(data.draw(st.sampled_from([ROOT, bytes(32)])), bytes(sealed), PATH)


@given(st.data())
def test_a_ring_cut_short_is_damage(data):
    sealed = Keyring.new(1).seal(ROOT, PATH)
    with pytest.raises(CorruptEntry):
        Keyring.open(ROOT, sealed[: data.draw(st.integers(0, len(sealed) - 1))], PATH)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"SRKR\x01" + rest))
def test_foreign_bytes_are_no_ring(sealed):
    with pytest.raises(CorruptEntry):
        Keyring.open(ROOT, sealed, PATH)


def test_a_ring_moved_to_another_path_is_damage():
    with pytest.raises(CorruptEntry):
        Keyring.open(ROOT, Keyring.new(1).seal(ROOT, b"elsewhere"), PATH)


def test_a_newer_format_says_so():
    sealed = Keyring.new(1).seal(ROOT, PATH)
    with pytest.raises(CorruptEntry, match="format 2"):
        Keyring.open(ROOT, sealed[:4] + b"\2" + sealed[5:], PATH)


def test_no_representation_shows_a_key():
    ring = Keyring(list(Keyring.new(1).terms.values()), 1)
    shown = repr(ring) + repr(ring.active) + str(ring.terms)
    assert ring.active.key.hex() not in shown
    assert repr(ring.active.key) not in shown


def test_keys_are_random():
    assert new_key() != new_key()
    assert Keyring.new(1).active.key != Keyring.new(1).active.key
