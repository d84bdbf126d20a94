"""Property tests try the same few examples each time; `--hypothesis-profile=long` tries 2,000 new ones of each."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_SHARED = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", max_examples=60, derandomize=True, **_SHARED)
settings.register_profile("long", max_examples=2000, **_SHARED)
settings.load_profile("short")
