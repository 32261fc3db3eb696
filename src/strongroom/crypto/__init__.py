"""Cryptography as pure functions over bytes; nothing in here does I/O."""
