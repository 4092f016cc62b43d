"""Sentences become vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.typing import InputError

_NUM_BUCKETS: Final = 1 << 18
_MIN_TEXTS: Final = 3

#: Typographic marks, as most text is typed.
_PLAIN: Final[dict[int, int | str]] = {
    **dict.fromkeys(map(ord, '\u2018\u2019'), "'"),
    **dict.fromkeys(map(ord, '\u201c\u201d'), '"'),
    **dict.fromkeys(map(ord, '\u2013\u2014'), ' - '),
    ord('\u2026'): '...',
}


def hashed_ngrams(
    texts: Sequence[str], train: NDArray[np.bool_], channels: int, *, seed: int = 0
) -> NDArray[np.float32]:
    """Vectors from words and pieces of words, without a vocabulary or a download.

    Words, pairs of words and pieces of two to four characters are counted in hashed
    buckets, weighted by tf-idf and projected on their leading singular directions
    (latent semantic analysis). Weights, directions and scale come from train alone.

    Args:
        texts: The sentences.
        train: Which of them may be learned from.
        channels: Width of a vector.
        seed: Of the randomised projection.

    Returns:
        Vectors, centred, with a mean square of 1 in train, [N, channels].

    Raises:
        InputError: For fewer sentences or n-grams to learn from than channels.

    Example:
        >>> texts = ['oh no', 'oh well', 'oh', 'well well', 'well', 'no']
        >>> hashed_ngrams(texts, np.array([True] * 5 + [False]), 2).shape
        (6, 2)
    """
    from scipy.sparse import hstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    learned = np.asarray(train, bool)
    plain = [text.translate(_PLAIN) for text in texts]
    counted = []
    for analyzer, sizes in (('word', (1, 2)), ('char_wb', (2, 4))):
        hashing = HashingVectorizer(
            analyzer=analyzer,
            ngram_range=sizes,
            n_features=_NUM_BUCKETS,
            alternate_sign=False,
            norm=None,
            # Single letters and marks are words, too: 'I', '?!'.
            token_pattern=r"[\w']+|[?!]+|\.{2,}",
        )
        counts = hashing.transform(plain)
        # What is rarer only costs time.
        num_texts = np.bincount(counts[learned].indices, minlength=_NUM_BUCKETS)
        counts = counts[:, num_texts >= _MIN_TEXTS]
        weights = TfidfTransformer(sublinear_tf=True).fit(counts[learned])
        counted.append(weights.transform(counts))
    joint = hstack(counted).tocsr()
    most = min(int(learned.sum()), joint.shape[1])
    if not 1 <= channels <= most:
        raise InputError(
            f'the width of text is from 1 to {most}, the number of texts to learn from '
            f'or of their n-grams that come in {_MIN_TEXTS} texts (got {channels})'
        )
    svd = TruncatedSVD(channels, random_state=seed).fit(joint[learned])
    vectors = svd.transform(joint)
    vectors -= vectors[learned].mean(axis=0)
    # One scale for all columns: the leading directions are the ones that say most.
    scale = np.sqrt(np.square(vectors[learned]).mean()) or 1.0
    return (vectors / scale).astype(np.float32)


def sentence_vectors(
    texts: Sequence[str], model: str, *, progress: bool = False
) -> NDArray[np.float32]:
    """Vectors from a model of sentence-transformers.

    Args:
        texts: The sentences.
        model: Its name on the Hugging Face Hub, or its folder. Only weights in
            safetensors are read.
        progress: Whether to show a bar.

    Raises:
        InputError: If the package is not installed, or there is no such model.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise InputError(
            f"the encoder '{model}' is a model of sentence-transformers, which is not "
            f'installed: `pip install sentence-transformers`'
        ) from None
    try:
        encoder: Any = SentenceTransformer(
            model, model_kwargs={'use_safetensors': True}
        )
    except Exception as error:  # No network, no such model, no safetensors, ...
        reason = ' '.join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"cannot load the encoder '{model}' ({reason})") from error
    vectors = encoder.encode(list(texts), show_progress_bar=progress)
    return np.asarray(vectors, np.float32)
