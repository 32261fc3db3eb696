"""Settings of the whole suite."""

from hypothesis import settings

# How long an example takes says nothing about the code on a machine that runs other things too.
settings.register_profile("strongroom", deadline=None)
settings.load_profile("strongroom")
