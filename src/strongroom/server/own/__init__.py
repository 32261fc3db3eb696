"""Our own HTTP/1.1 server, for all listeners without TLS, and for those with TLS that Granian has no settings for.

It runs in the loop's thread: a request is not handed from one thread to another and back, which costs more than to read
it. The parser is llhttp, TLS is Python's; what is here are the rules around them, and the limits of sizes, of times, of
connections.
"""

from __future__ import annotations

from strongroom.server.own.server import Running

__all__ = ["Running"]
