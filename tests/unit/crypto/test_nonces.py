"""Nonces: never the same twice."""

from __future__ import annotations

import os
import threading
import warnings

from strongroom.crypto.nonces import DRAWN_AT_ONCE, Nonces


def test_each_has_the_size_asked_for_and_comes_once() -> None:
    nonces = Nonces(12)
    drawn = [nonces() for _ in range(3 * DRAWN_AT_ONCE + 1)]
    assert {len(nonce) for nonce in drawn} == {12}
    assert len(set(drawn)) == len(drawn)


def test_threads_never_get_the_same_one() -> None:
    nonces, drawn = Nonces(12), []

    def draw() -> None:
        drawn.extend([nonces() for _ in range(5000)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == len(set(drawn)) == 20_000


def test_a_forked_child_does_not_repeat_its_parents() -> None:
    nonces = Nonces(12)
    nonces()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
        child = os.fork()
    if child == 0:
        os.write(writer, b"".join(nonces() for _ in range(20)))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read()
    theirs = {text[at : at + 12] for at in range(0, len(text), 12)}
    ours = {nonces() for _ in range(DRAWN_AT_ONCE)}
    assert len(theirs) == 20
    assert not ours & theirs
