# ruff: noqa: RUF001
from __future__ import annotations

import json
import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline, make_union

from hetero_mmer.errors import InputError
from hetero_mmer.features.text import HashedNgrams, SentenceVectors, sentence_vectors

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


def hashed_ngrams(texts, train, channels):
    learned = [text for text, use in zip(texts, train, strict=True) if use]
    return HashedNgrams(channels).fit(learned).transform(texts)


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


def test_noise_of_the_last_digits_is_not_learned(texts, monkeypatch):
    """Threads sum up in any order, and machines have products of their own."""
    before = HashedNgrams(8).fit(texts).fitted.sha256
    fit = TruncatedSVD.fit

    def noisy(self, x):
        svd, rng = fit(self, x), np.random.default_rng(0)
        svd.components_ += rng.normal(scale=1e-12, size=svd.components_.shape)
        return svd

    monkeypatch.setattr(TruncatedSVD, 'fit', noisy)
    assert HashedNgrams(8).fit(texts).fitted.sha256 == before


def test_no_texts():
    with pytest.raises(InputError, match='after it was fitted'):
        HashedNgrams(1).transform(['oh'])
    with pytest.raises(InputError, match='from 1 to 0'):
        HashedNgrams(1).fit([])


@pytest.mark.parametrize('channels', [0, 41, 10_000])
def test_too_wide(texts, channels):
    with pytest.raises(InputError, match=rf'from 1 to 40.*got {channels}\)'):
        hashed_ngrams(texts, np.arange(60) < 40, channels)


def test_an_encoder_by_scikit_learn(texts):
    """The same steps in one pipeline, which keeps more digits."""
    count = [
        CountVectorizer(
            ngram_range=(1, 2), min_df=3, token_pattern=r"[\w']+|[?!]+|\.{2,}"
        ),
        CountVectorizer(analyzer='char_wb', ngram_range=(2, 4), min_df=3),
    ]
    parts = [make_pipeline(one, TfidfTransformer(sublinear_tf=True)) for one in count]
    joint = make_union(*parts).fit(texts[:40])
    x = joint.transform(texts).toarray()
    ours = HashedNgrams(6).fit(texts[:40])
    y = ours.transform(texts)
    # Columns are buckets in another order: what stays are products of rows.
    u, s, _ = np.linalg.svd(x[:40], full_matrices=False)
    axes = (u[:, :6] / s[:6]).T @ x[:40]
    z = x @ axes.T
    z -= z[:40].mean(axis=0)
    z /= np.sqrt(np.square(z[:40]).mean())
    np.testing.assert_allclose(y @ y.T, z @ z.T, atol=0.03 * np.abs(z @ z.T).max())


def test_what_was_learned_makes_the_same_vectors_anywhere(texts):
    encoder = HashedNgrams(8).fit(texts[:40])
    whole = encoder.transform(texts)
    again = HashedNgrams.of(encoder.fitted)
    assert again.channels == 8
    assert again.fitted.sha256 == encoder.fitted.sha256
    np.testing.assert_array_equal(again.transform(texts[::-1])[::-1], whole)
    for i in (0, 40, 59):  # Each alone, to the last bit.
        np.testing.assert_array_equal(again.transform([texts[i]]), whole[[i]])
    assert np.isfinite(again.transform(['', 'never seen', 'ж' * 500])).all()
    assert again.transform([]).shape == (0, 8)
    other = HashedNgrams(8).fit(texts[1:41])
    assert other.fitted.sha256 != encoder.fitted.sha256


def test_the_hash_does_not_depend_on_the_process(texts):
    code = (
        'import sys, json; from hetero_mmer.features.text import HashedNgrams; '
        'print(HashedNgrams(8).fit(json.load(sys.stdin)).fitted.sha256)'
    )
    found = {
        subprocess.run(
            [sys.executable, '-c', code],
            input=json.dumps(texts),
            env={**os.environ, 'PYTHONHASHSEED': seed, 'OMP_NUM_THREADS': threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed, threads in (('1', '1'), ('2', '2'))
    }
    assert found == {HashedNgrams(8).fit(texts).fitted.sha256}


def test_only_one_analyzer_has_frequent_ngrams():
    texts = ['ab', 'cab', 'dab', 'e']  # No word comes in three of them.
    encoder = HashedNgrams(1).fit(texts)
    assert len(encoder.fitted.arrays['word_buckets']) == 0
    again = HashedNgrams.of(encoder.fitted)
    np.testing.assert_array_equal(again.transform(texts), encoder.transform(texts))


def test_sentence_vectors_are_named_by_their_model(tmp_path, monkeypatch):
    one = SentenceVectors('a/b')
    assert one.fit(['oh']) is one
    assert (one.fitted.names, one.extractor) == (('a/b',), 'a/b')
    assert SentenceVectors.of(one.fitted).fitted.sha256 == one.fitted.sha256
    assert SentenceVectors('a/c').fitted.sha256 != one.fitted.sha256
    # A folder is the same from wherever it is named.
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine').mkdir()
    absolute = SentenceVectors(str(tmp_path / 'mine'))
    assert SentenceVectors('mine').fitted.sha256 == absolute.fitted.sha256


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
