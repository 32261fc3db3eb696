import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto import shamir
from strongroom.errors import CryptoError

#: The five shares (threshold three) that HashiCorp's tutorial on deploying Vault has shown for years.
PUBLISHED = [
    base64.b64decode(text)
    for text in (
        "4jYbl2CBIv6SpkKj6Hos9iD32k5RfGkLzlosrrq/JgOm",
        "B05G1DRtfYckFV5BbdBvXq0wkK5HFqB9g2jcDmNfTQiS",
        "Arig0N9rN9ezkTRo7qTB7gsIZDaonOcc53EHo83F5chA",
        "0cZE0C/gEk3YHaKjIWxhyyfs8REhqkRW/CSXTnmTilv+",
        "fYhZOseRgzxmJCmIqUdxEm9C3jB5Q27AowER9w4FC2Ck",
    )
]


def test_published_shares_agree_from_the_threshold_on():
    combined = {
        count: {shamir.combine(some) for some in itertools.combinations(PUBLISHED, count)} for count in (2, 3, 4, 5)
    }
    assert len(combined[2]) == 10
    assert len(combined[3]) == 1
    assert combined[3] == combined[4] == combined[5]


@pytest.mark.parametrize(
    ("one", "other", "product"),
    [
        (0x57, 0x83, 0xC1),  # FIPS 197, section 4.2
        (0x57, 0x13, 0xFE),  # FIPS 197, section 4.2.1
        (0x57, 0x02, 0xAE),
        (0x57, 0x10, 0x07),
        (3, 7, 9),
        (3, 0, 0),
        (0, 3, 0),
    ],
)
def test_published_products(one, other, product):
    assert shamir.multiply(one, other) == product
    assert shamir.multiply(other, one) == product


def test_every_element_but_zero_has_its_inverse():
    assert all(shamir.multiply(element, shamir.invert(element)) == 1 for element in range(1, 256))
    assert shamir.invert(0x53) == 0xCA  # the textbook pair of the AES field


@given(st.binary(min_size=1, max_size=40), st.integers(0, 255))
def test_lanes_are_multiplied_apart(data, factor):
    lanes = shamir.multiply(int.from_bytes(data), factor, len(data)).to_bytes(len(data))
    assert list(lanes) == [shamir.multiply(byte, factor) for byte in data]


@given(st.data())
def test_any_threshold_of_the_shares_give_the_secret(data):
    secret = data.draw(st.binary(min_size=1, max_size=40))
    count = data.draw(st.integers(2, 12))
    threshold = data.draw(st.integers(2, count))
    shares = shamir.split(secret, count, threshold)
    some = data.draw(st.permutations(shares))[: data.draw(st.integers(threshold, count))]
    assert {len(share) for share in shares} == {len(secret) + 1}
    assert shamir.combine(some) == secret


def test_a_share_ends_in_its_x():
    shares = shamir.split(b"secret", 255, 2)
    assert sorted(share[-1] for share in shares) == list(range(1, 256))


def test_the_most_shares_there_are():
    secret = bytes(range(32))
    assert shamir.combine(shamir.split(secret, 255, 255)) == secret


def test_one_share_too_few_tells_nothing():
    """With two of three, every value of the first byte is still possible: some third share leads to it."""
    first, second, third = shamir.split(b"\x2a", 3, 3)
    reachable = {shamir.combine([first, second, bytes([y, third[-1]])]) for y in range(256)}
    assert len(reachable) == 256


def test_splitting_twice_gives_other_shares():
    assert set(shamir.split(bytes(32), 5, 3)).isdisjoint(shamir.split(bytes(32), 5, 3))


@pytest.mark.parametrize(("count", "threshold"), [(0, 0), (2, 3), (1000, 3), (256, 2), (10, 1), (1, 1), (3, -1)])
def test_impossible_numbers_are_refused(count, threshold):
    with pytest.raises(CryptoError):
        shamir.split(b"secret", count, threshold)


def test_an_empty_secret_is_refused():
    with pytest.raises(CryptoError):
        shamir.split(b"", 3, 2)


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        ([], "less than two"),
        ([b"a\1"], "less than two"),
        ([b"a", b"b"], "two bytes"),
        ([b"", b""], "two bytes"),
        ([b"ab\1", b"a\2"], "same length"),
        ([b"a\1", b"b\1"], "twice"),
        ([b"a\1", b"a\1"], "twice"),
        ([b"a\0", b"a\1"], "x of 0"),
    ],
)
def test_shares_that_cannot_be_of_one_secret_are_refused(shares, reason):
    with pytest.raises(CryptoError, match=reason):
        shamir.combine(shares)


@given(st.lists(st.binary(max_size=5), max_size=5))
def test_foreign_shares_never_crash(shares):
    try:
        secret = shamir.combine(shares)
    except CryptoError:
        return
    assert len(secret) == len(shares[0]) - 1
