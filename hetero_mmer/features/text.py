"""Sentences become vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, reason
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.typing import Track, untracked

_NUM_BUCKETS: Final = 1 << 18
_MIN_TEXTS: Final = 3

#: Texts between two steps of what tells how long encoding goes on.
_TEXTS: Final = 1024
_ANALYZERS: Final = (('word', (1, 2)), ('char_wb', (2, 4)))

#: Typographic marks, as most text is typed.
_PLAIN: Final[dict[int, int | str]] = {
    **dict.fromkeys(map(ord, '\u2018\u2019'), "'"),
    **dict.fromkeys(map(ord, '\u201c\u201d'), '"'),
    **dict.fromkeys(map(ord, '\u2013\u2014'), ' - '),
    ord('\u2026'): '...',
}


class HashedNgrams:
    """Vectors from words and pieces of words, without a vocabulary or a download.

    Words, pairs of words and pieces of two to four characters are counted in hashed
    buckets, weighted by tf-idf and projected on their leading singular directions
    (latent semantic analysis).

    Args:
        channels: Width of a vector.
        seed: Of the randomised projection.

    Example:
        >>> encoder = HashedNgrams(2).fit(['oh no', 'oh well', 'oh', 'well well', 'no'])
        >>> encoder.transform(['no']).shape
        (1, 2)
        >>> again = HashedNgrams.of(encoder.fitted)
        >>> bool((again.transform(['oh']) == encoder.transform(['oh'])).all())
        True
    """

    name: Final = 'hashed-ngrams-1'

    def __init__(self, channels: int = 256, *, seed: int = 0) -> None:
        self.channels = channels
        self.seed = seed
        self._arrays: dict[str, NDArray] = {}

    def fit(self, texts: Sequence[str]) -> HashedNgrams:
        """Learns weights, directions and scale from sentences.

        Args:
            texts: The sentences of train.

        Raises:
            InputError: For fewer sentences or n-grams than channels.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfTransformer

        counted = _count(texts) if len(texts) else []
        num_texts = [np.bincount(c.indices, minlength=_NUM_BUCKETS) for c in counted]
        # What is rarer only costs time.
        kept = [np.flatnonzero(n >= _MIN_TEXTS).astype(np.int32) for n in num_texts]
        most = min(len(texts), sum(map(len, kept)))
        if not 1 <= self.channels <= most:
            raise InputError(
                f'the width of text is from 1 to {most}, the number of texts to learn '
                f'from or of their n-grams that come in {_MIN_TEXTS} texts (got '
                f'{self.channels})'
            )
        self._arrays = {}
        for (name, _), counts, buckets in zip(_ANALYZERS, counted, kept, strict=True):
            idf = np.ones(0)
            if len(buckets):
                idf = TfidfTransformer().fit(counts[:, buckets]).idf_
            self._arrays[f'{name}_buckets'] = buckets
            self._arrays[f'{name}_idf'] = idf.astype(np.float32)
        joint = self._weigh(counted)
        svd = TruncatedSVD(self.channels, random_state=self.seed).fit(joint)
        # Half precision is enough, and almost always hides in which order threads have
        # summed up.
        self._arrays['directions'] = svd.components_.astype(np.float16)
        self._arrays['mean'] = np.zeros(self.channels, np.float32)
        self._arrays['scale'] = np.ones(1, np.float32)
        vectors = self._project(joint)
        self._arrays['mean'] = vectors.mean(axis=0).astype(np.float32)
        # One scale for all columns: the leading directions are those that say most.
        spread = np.sqrt(np.square(vectors - self._arrays['mean']).mean())
        self._arrays['scale'] = np.array([spread or 1], np.float32)
        return self

    def transform(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, with mean 0 and a mean square of 1 over train, [N, channels].

        Args:
            texts: The sentences; each one's vector depends on itself alone.

        Raises:
            InputError: If nothing was learned.
        """
        if not self._arrays:
            raise InputError('an encoder transforms after it was fitted')
        if not len(texts):
            return np.zeros((0, self.channels), np.float32)
        joint = self._weigh(_count(texts))
        return self._project(joint).astype(np.float32)

    @property
    def fitted(self) -> Fitted:
        """What was learned."""
        return Fitted(self.name, arrays=self._arrays)

    @property
    def extractor(self) -> str:
        """What makes the vectors, in words."""
        return 'hashed n-grams, tf-idf, SVD'

    @classmethod
    def of(cls, fitted: Fitted) -> HashedNgrams:
        """The encoder that learned something.

        Args:
            fitted: What it learned.
        """
        encoder = cls(len(fitted.arrays['mean']))
        encoder._arrays = dict(fitted.arrays)
        return encoder

    def _weigh(self, counted: Sequence[Any]) -> Any:
        """Tf-idf of the buckets that were kept, [N, K], sparse."""
        from scipy.sparse import hstack
        from sklearn.feature_extraction.text import TfidfTransformer

        blocks = []
        for (name, _), counts in zip(_ANALYZERS, counted, strict=True):
            kept = counts[:, self._arrays[f'{name}_buckets']]
            if kept.shape[1]:
                weights = TfidfTransformer(sublinear_tf=True)
                weights.idf_ = self._arrays[f'{name}_idf'].astype(np.float64)
                kept = weights.transform(kept)
            blocks.append(kept)
        return hstack(blocks).tocsr()

    def _project(self, joint: Any) -> NDArray[np.float64]:
        directions = self._arrays['directions'].astype(np.float64)
        vectors = joint @ directions.T
        return (vectors - self._arrays['mean']) / self._arrays['scale']


class SentenceVectors:
    """Vectors from a model of sentence-transformers, which learns nothing here.

    Args:
        model: Its name on the Hugging Face Hub, or its folder. Only weights in
            safetensors are read.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.
    """

    name: Final = 'sentence-transformers'

    def __init__(self, model: str, *, track: Track = untracked) -> None:
        self.model = str(Path(model).absolute()) if Path(model).is_dir() else model
        self.track = track

    def fit(self, texts: Sequence[str]) -> SentenceVectors:
        """Learns nothing: the model is a finished one.

        Args:
            texts: The sentences of train.
        """
        return self

    def transform(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of sentences, [N, F].

        Args:
            texts: The sentences.

        Raises:
            InputError: If the package is not installed, or there is no such model.
        """
        return sentence_vectors(texts, self.model, track=self.track)

    @property
    def fitted(self) -> Fitted:
        """The name of the model."""
        return Fitted(self.name, (self.model,))

    @property
    def extractor(self) -> str:
        """What makes the vectors, in words."""
        return self.model

    @classmethod
    def of(cls, fitted: Fitted, *, track: Track = untracked) -> SentenceVectors:
        """The encoder of that name.

        Args:
            fitted: What it is called.
            track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.
        """
        return cls(fitted.names[0], track=track)


def _count(texts: Sequence[str]) -> list[Any]:
    """How often n-grams come, for each analyzer [N, _NUM_BUCKETS], sparse."""
    from sklearn.feature_extraction.text import HashingVectorizer

    plain = [text.translate(_PLAIN) for text in texts]
    counted = []
    for analyzer, sizes in _ANALYZERS:
        hashing = HashingVectorizer(
            analyzer=analyzer,
            ngram_range=sizes,
            n_features=_NUM_BUCKETS,
            alternate_sign=False,
            norm=None,
            # Single letters and marks are words, too: 'I', '?!'.
            token_pattern=r"[\w']+|[?!]+|\.{2,}",
        )
        counted.append(hashing.transform(plain))
    return counted


def sentence_vectors(
    texts: Sequence[str], model: str, *, track: Track = untracked
) -> NDArray[np.float32]:
    """Vectors from a model of sentence-transformers.

    Args:
        texts: The sentences.
        model: Its name on the Hugging Face Hub, or its folder. Only weights in
            safetensors are read.
        track: Tells how it goes on; see :class:`~hetero_mmer.typing.Track`.

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
        raise InputError(
            f"cannot load the encoder '{model}' ({reason(error)})"
        ) from error
    # Longest first, as its own batches are: these stay the same.
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    starts = range(0, max(len(texts), 1), _TEXTS)
    found = [
        encoder.encode(
            [texts[i] for i in order[start : start + _TEXTS]], show_progress_bar=False
        )
        for start in track(starts, 'Encoding', len(starts))
    ]
    return np.concatenate(found).astype(np.float32)[np.argsort(order)]
