"""Each corpus has one module, one name, and terms."""

import importlib
import pkgutil

import pytest

from fer_tf import labels
from fer_tf import sources
from fer_tf.sources import affectnet
from fer_tf.sources import expw
from fer_tf.sources import fer2013
from fer_tf.sources import ferplus
from fer_tf.sources import rafdb
from fer_tf.sources import rafdb_compound
from fer_tf.sources import rafml
from fer_tf.sources.terms import TERMS

FORMS = [
    (affectnet, "folders"),
    (affectnet, "lists"),
    (affectnet, "sets"),
    (expw, ""),
    (fer2013, ""),
    (fer2013, "folders"),
    (ferplus, ""),
    (rafdb, ""),
    (rafdb_compound, ""),
    (rafml, ""),
]


def test_no_corpus_goes_under_two_names():
    """In the original one did, and was split twice: training and test overlapped."""
    found = [
        importlib.import_module(f"fer_tf.sources.{module.name}")
        for module in pkgutil.iter_modules(sources.__path__)
    ]
    names = [module.NAME for module in found if hasattr(module, "NAME")]
    assert sorted(names) == sorted((*sources.CORPORA, "pictures"))


def test_each_corpus_has_terms():
    assert tuple(sorted(TERMS)) == sources.CORPORA


@pytest.mark.parametrize("source, form", FORMS)
def test_a_record_names_its_source_and_its_picture_is_one(corpus, read, source, form):
    found, rejected = read(source, corpus(source.NAME, form))
    assert found and rejected == {}
    for record in found:
        assert record.source == source.NAME
        assert record.split in sources.SPLITS
        assert record.label in ("", *labels.CLASSES)
        assert sum(record.distribution) == pytest.approx(1.0 if record.label else 0.0)


def test_ferplus_and_fer2013_have_the_same_rows(corpus, read):
    """They are the same pictures, so that a manifest can tell by their keys."""
    root = corpus("ferplus")
    plus, _ = read(ferplus, root)
    ours, _ = read(fer2013, root)
    assert [(one.key.partition("/")[2], one.image, one.split) for one in plus] == [
        (one.key.partition("/")[2], one.image, one.split) for one in ours
    ]
