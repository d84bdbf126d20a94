"""The table of support sets."""

from trainables.support.build import CLASSES
from trainables.vocabulary.methods_and_support_sets import METHODS, SUPPORT_KINDS


def test_every_kind_of_the_vocabulary_has_a_class():
    assert CLASSES.keys() == SUPPORT_KINDS.keys()
    assert {method.support for method in METHODS.values()} <= CLASSES.keys()
