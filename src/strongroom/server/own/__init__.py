"""Our own HTTP/1.1 server, for TLS listeners that ask clients for certificates or choose versions and cipher suites.

Granian, which is faster, can do none of that. Both call the same `Site`, so nothing behind it notices. TLS is
Python's, the protocol is h11's; what is here are the limits: of sizes, of times, of connections.
"""

from __future__ import annotations

from strongroom.server.own.server import Running

__all__ = ["Running"]
