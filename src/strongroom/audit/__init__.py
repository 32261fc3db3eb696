"""Audit devices: every request and every answer becomes one line on each device, its secrets hashed.

`entry` makes the lines, `broker` hands them to the devices and refuses what none could record, `registry` knows the
kinds of devices.
"""
