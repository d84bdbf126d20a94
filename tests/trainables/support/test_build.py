"""The table of support sets."""

from trainables.support.build import Prototypes, Queue
from trainables.vocabulary.methods_and_support_sets import METHODS, SUPPORT_KINDS, SUPPORT_SETS


def test_every_kind_of_the_vocabulary_has_a_class():
    assert SUPPORT_SETS.keys() == SUPPORT_KINDS.keys()
    assert {method.support for method in METHODS.values()} <= SUPPORT_SETS.keys()
    assert (SUPPORT_SETS["queue"], SUPPORT_SETS["prototypes"]) == (Queue, Prototypes)
