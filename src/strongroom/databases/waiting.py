"""Looking at a socket without waiting."""

from __future__ import annotations

import select


def readable(descriptor: int) -> bool:
    """Whether a socket has something to be read, or has been closed; true for one that is none."""
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
