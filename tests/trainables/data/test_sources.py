"""The table of sources."""

from typing import get_args

from trainables.data.sources import SOURCES
from trainables.settings.config import DataConfig


def test_every_name_of_the_settings_has_a_source():
    assert get_args(DataConfig.model_fields["name"].annotation) == tuple(SOURCES)
