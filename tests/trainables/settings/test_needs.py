"""Where settings act: the rows name what exists, and follow from the tables of methods and support sets."""

from __future__ import annotations

from trainables.settings import edge
from trainables.settings.config import RunConfig, SupportConfig
from trainables.settings.needs import NEEDS
from trainables.vocabulary.methods_and_support_sets import SUPPORT_KINDS

OF_ONES_OWN = {"support.name", "support.options"}
"""They act wherever they are given."""


def test_the_rules_name_settings_that_exist():
    known = edge.flatten(RunConfig().model_dump(mode="json"))
    named = {name for alternatives in NEEDS.values() for needs in alternatives for name in needs}
    assert named | NEEDS.keys() <= known.keys()
    sections = {"support.", "positives."}
    assert {name for name in known.keys() - OF_ONES_OWN if name.startswith(tuple(sections))} == {
        name for name in NEEDS if name.startswith(tuple(sections))
    }


def test_each_setting_of_the_support_set_belongs_to_one_kind():
    listed = [setting for kind in SUPPORT_KINDS.values() for setting in kind.settings.values()]
    assert sorted(listed) == sorted(SupportConfig.model_fields.keys() - {"name", "options"})
    assert all(kind.size in (None, *kind.settings.values()) for kind in SUPPORT_KINDS.values())


def test_rows_about_the_method_by_hand():
    assert NEEDS["support.k"] == ({"method": ("kmclr",)},)
    assert NEEDS["support.half_life"] == ({"method": ("kmclr",), "support.update": ("ema",)},)
    assert NEEDS["positives.momentum"] == ({"method": ("byol", "resa")}, {"positives.momentum_encoder": (True,)})
    assert NEEDS["loss.temperature"] == ({"method": ("kmclr", "nnclr", "none", "simclr", "resa")},)
    predicting = ("kmclr", "nnclr", "none", "byol", "resa")
    assert NEEDS["loss.symmetric"] == NEEDS["heads.predictor_hidden"] == ({"method": predicting},)
