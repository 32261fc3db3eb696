"""The HTTP edge: bytes ↔ messages, listeners, and the process around them.

`http` and `render` are pure; `granian` is the only module that knows the HTTP server; `edge` runs the listeners.
"""
