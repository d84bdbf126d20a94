"""The table of sources."""

from trainables.data.sources import SOURCES


def test_every_name_of_the_settings_has_a_source():
    assert tuple(name for name in SOURCES if name not in SOURCES.loaded) == SOURCES.house
