# ruff: noqa: RUF001
from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

from hetero_mmer.sources.text import hashed_ngrams, sentence_vectors
from hetero_mmer.typing import InputError

WORDS = [
    'oh',
    'no',
    'what',
    'yes',
    'hey',
    'you',
    'did',
    'not',
    'know',
    'that',
    'we',
    'were',
    'on',
    'a',
    'break',
]


@pytest.fixture
def texts():
    rng = np.random.default_rng(0)
    return [' '.join(rng.choice(WORDS, 5)) + '?!'[i % 2] for i in range(60)]


def test_train_alone_is_learned_from(texts):
    train = np.arange(60) < 40
    one = hashed_ngrams(texts, train, 8)
    others = [*texts[:40], *('hey hey?' for _ in range(20))]
    two = hashed_ngrams(others, train, 8)
    np.testing.assert_array_equal(one[:40], two[:40])
    assert one.shape == (60, 8)
    assert one.dtype == np.float32
    np.testing.assert_allclose(one[train].mean(axis=0), 0, atol=1e-5)
    assert np.square(one[train]).mean() == pytest.approx(1, rel=1e-5)


def test_a_vector_depends_on_its_own_text(texts):
    train = np.arange(60) < 40
    one = hashed_ngrams(texts, train, 8)
    order = np.r_[np.arange(40), np.random.default_rng(1).permutation(20) + 40]
    two = hashed_ngrams([texts[i] for i in order], train, 8)
    np.testing.assert_allclose(two, one[order], atol=1e-5)


def test_typographic_marks_are_plain_ones(texts):
    plain = [f'"it\'s {text}" - so...' for text in texts]
    marks = [f'“it’s {text}” — so…' for text in texts]
    train = np.ones(60, bool)
    np.testing.assert_allclose(
        hashed_ngrams(plain, train, 4), hashed_ngrams(marks, train, 4), atol=1e-5
    )


def test_marks_tell_sentences_apart(texts):
    train = np.ones(60, bool)
    texts[:2] = ['what no', 'what no?!']
    vectors = hashed_ngrams(texts, train, 8)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.1


def test_empty_texts(texts):
    texts[50] = texts[51] = ''
    vectors = hashed_ngrams(texts, np.arange(60) < 40, 4)
    np.testing.assert_array_equal(vectors[50], vectors[51])
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize('channels', [0, 41, 10_000])
def test_too_wide(texts, channels):
    with pytest.raises(InputError, match=rf'from 1 to 40.*got {channels}\)'):
        hashed_ngrams(texts, np.arange(60) < 40, channels)


def test_no_sentence_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sentence_transformers', None)
    with pytest.raises(InputError, match=r"'a/b'.*pip install sentence-transformers"):
        sentence_vectors(['oh'], 'a/b')


def test_sentence_transformers(monkeypatch):
    """A stand-in with the package's calls; the package itself is large."""

    class SentenceTransformer:
        def __init__(self, name, model_kwargs):
            assert model_kwargs == {'use_safetensors': True}
            if name != 'a/b':
                raise OSError('no such model\nat the hub')

        def encode(self, texts, show_progress_bar):
            return np.array([[len(text), 1.0] for text in texts])

    module = ModuleType('sentence_transformers')
    module.SentenceTransformer = SentenceTransformer
    monkeypatch.setitem(sys.modules, 'sentence_transformers', module)
    vectors = sentence_vectors(['oh', 'hey'], 'a/b')
    np.testing.assert_array_equal(vectors, [[2, 1], [3, 1]])
    with pytest.raises(InputError, match=r"'c' \(no such model at the hub\)"):
        sentence_vectors(['oh'], 'c')
