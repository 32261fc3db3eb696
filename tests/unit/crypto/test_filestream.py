"""Files under a data key."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.crypto import filestream
from strongroom.errors import CryptoError

KEY = b"k" * 32
CHUNK = filestream.CHUNK_BYTES
BOX = CHUNK + filestream.TAG_BYTES
HEAD = filestream.SALT_BYTES


class Dripping(io.BytesIO):
    """Gives less than it is asked for, as a pipe does."""

    def read(self, count=-1):
        return super().read(min(count, 1000) if count > 0 else count)


def sealed(data, key=KEY):
    out = io.BytesIO()
    filestream.encrypt(io.BytesIO(data), out, key)
    return out.getvalue()


def opened(box, key=KEY):
    out = io.BytesIO()
    filestream.decrypt(io.BytesIO(box), out, key)
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7])
def test_files_of_any_size_come_back(size):
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    box = sealed(data)
    assert opened(box) == data
    assert len(box) == HEAD + size + filestream.TAG_BYTES * max(1, -(-size // CHUNK))
    out, seen = io.BytesIO(), []
    filestream.decrypt(Dripping(box), out, KEY, seen.append)
    assert (out.getvalue(), seen[-1]) == (data, size)


def test_two_files_under_one_key_share_nothing():
    assert sealed(b"same")[HEAD:] != sealed(b"same")[HEAD:]


@pytest.mark.parametrize(
    "change",
    [
        lambda box: box[:-1],
        lambda box: box[: HEAD + BOX],
        lambda box: box[: HEAD + 2 * BOX],
        lambda box: box[:HEAD],
        lambda box: box[:5],
        lambda box: b"",
        lambda box: box + b"x",
        lambda box: box + box[HEAD:],
        lambda box: box[:HEAD] + box[HEAD + BOX : HEAD + 2 * BOX] + box[HEAD : HEAD + BOX] + box[HEAD + 2 * BOX :],
        lambda box: box[:HEAD] + box[HEAD + BOX :],
    ],
    ids=["byte", "one chunk", "two chunks", "only salt", "in salt", "nothing", "longer", "twice", "swapped", "first"],
)
def test_what_is_cut_off_added_or_moved_is_found(change):
    with pytest.raises(CryptoError):
        opened(change(sealed(b"y" * (2 * CHUNK + 9))))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, (HEAD + 40 + 16) * 8 - 1))
def test_one_changed_bit_is_found(bit):
    box = bytearray(sealed(b"z" * 40))
    box[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CryptoError):
        opened(bytes(box))


@pytest.mark.parametrize("key", [b"o" * 32, b"k" * 31, b""])
def test_another_key_does_not_open(key):
    with pytest.raises(CryptoError):
        opened(sealed(b"data"), key)


def test_nothing_false_is_ever_written():
    data = b"a" * (3 * CHUNK)
    box = bytearray(sealed(data))
    box[HEAD + BOX + 5] ^= 1
    out = io.BytesIO()
    with pytest.raises(CryptoError):
        filestream.decrypt(io.BytesIO(bytes(box)), out, KEY)
    assert data.startswith(out.getvalue())


def test_the_header_holds_the_wrapped_key():
    out = io.BytesIO()
    filestream.write_header(out, "vault:v1:abc")
    assert out.getvalue() == b"strongroom-file/1\n\0\0\0\x0cvault:v1:abc"
    assert filestream.read_header(io.BytesIO(out.getvalue() + b"rest")) == "vault:v1:abc"
    for wrapped in ("", "x" * (filestream.MOST_WRAPPED + 1)):
        with pytest.raises(CryptoError):
            filestream.write_header(io.BytesIO(), wrapped)


@given(st.binary(max_size=40) | st.binary(max_size=12).map(filestream.MAGIC.__add__))
def test_any_bytes_are_a_header_or_refused(data):
    try:
        text = filestream.read_header(io.BytesIO(data))
    except CryptoError:
        return
    assert data.startswith(filestream.MAGIC + len(text).to_bytes(4, "big") + text.encode())
