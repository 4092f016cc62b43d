"""What is known of CMU-MOSEI, whoever made the file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

SOURCE: Final = 'CMU-MOSEI'
LICENCE: Final = "that of the CMU-MultimodalSDK's data; features only, no video"
CITATION: Final = (
    'A. Zadeh, P. P. Liang, S. Poria, E. Cambria, L.-P. Morency: Multimodal Language '
    'Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic Fusion Graph. '
    'ACL 2018'
)

#: The column before the emotions in the label file.
SENTIMENT: Final = 'sentiment'

#: The emotions, in the order of the label file.
LABEL_NAMES: Final = (
    'happiness',
    'sadness',
    'anger',
    'surprise',
    'disgust',
    'fear',
)

#: Sizes of train, valid and test that are in use.
KNOWN_COUNTS: Final = {
    'the SDK with imputation': (16327, 1871, 4662),
    'the SDK without imputation': (16322, 1871, 4659),
    'MMSA, TAILOR, CARAT and MERBench': (16326, 1871, 4659),
    'the old release': (15290, 2291, 4832),
}

#: What makes features of such a width, in the files that are around.
_EXTRACTORS: Final[Mapping[tuple[str, int], str]] = {
    ('text', 300): 'GloVe',
    ('text', 768): 'BERT',
    ('visual', 35): 'FACET 4.2',
    ('audio', 74): 'COVAREP',
}

_SPELLINGS: Final[Mapping[str, str]] = {
    **{name: name for name in (SENTIMENT, *LABEL_NAMES)},
    'sentiments': SENTIMENT,
    'happy': 'happiness',
    'joy': 'happiness',
    'joyful': 'happiness',
    'sad': 'sadness',
    'angry': 'anger',
    'surprised': 'surprise',
    'surprising': 'surprise',
    'disgusted': 'disgust',
    'disgusting': 'disgust',
    'fearful': 'fear',
    'afraid': 'fear',
    'scared': 'fear',
}

#: What people write around the name of an emotion that does not change what it is.
_FILLERS: Final = frozenset(
    (
        *('emotion', 'emotions', 'emo', 'score', 'scores', 'intensity', 'intensities'),
        *('strength', 'level', 'label', 'labels', 'rating', 'value', 'degree'),
        *('presence', 'present', 'mean', 'average', 'avg'),
    )
)

#: The range of a score, as in ``anger (0-3)``.
_RANGE: Final = re.compile(
    r'(?<![\w.])[-+]?\d+(\.\d+)?\s*(-|,|;|:|\.\.+|to)\s*[-+]?\d+(\.\d+)?(?!\w)'
)


def label_name(name: str) -> str:
    """An emotion (or the sentiment) as we call it, another name in small letters.

    Args:
        name: As a file calls it: perhaps beside words such as "score" or "intensity",
            with the range of the score, or as Python prints bytes.

    Example:
        >>> label_name(' Happy'), label_name('Anger_intensity [0, 3]')
        ('happiness', 'anger')
        >>> label_name('Boredom'), label_name('not happy')
        ('boredom', 'not happy')
    """
    words = label_words(name)
    plain = name.strip().lower()
    return _SPELLINGS.get(words[0], plain) if len(words) == 1 else plain


def label_words(name: str) -> list[str]:
    """The words of a column's name, without those that do not change what it is.

    Args:
        name: As a file calls it.

    Example:
        >>> label_words('emotion_HappySad'), label_words('anger score (0-3)')
        (['happy', 'sad'], ['anger'])
    """
    text = unicodedata.normalize('NFKC', name).strip()
    text = re.sub(r'[\u2010-\u2015\u2212]', '-', text)  # Dashes, and the minus sign.
    text = re.sub(r'^b([\'"])(.*)\1$', r'\2', text)
    text = re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', _RANGE.sub(' ', text))
    return [w for w in re.findall(r'[^\W_]+', text.lower()) if w not in _FILLERS]


def label_order(names: Sequence[str]) -> tuple[str, ...]:
    """MOSEI's six emotions in their order, others as they come.

    Args:
        names: What :func:`label_name` made of a file's names.

    Example:
        >>> label_order(['fear', 'joy'])
        ('fear', 'joy')
    """
    is_mosei = sorted(names) == sorted(LABEL_NAMES)
    return LABEL_NAMES if is_mosei else tuple(names)


def called_like(names: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """What labels are called in other samples, in the order there.

    Args:
        names: What :func:`label_name` made of a file's names.
        wanted: Names of the labels of other samples.

    Returns:
        Their name of each; the names as they are where the labels are not the same.

    Example:
        >>> called_like(['happiness', 'boredom'], ['Boredom', 'joy'])
        {'boredom': 'Boredom', 'happiness': 'joy'}
        >>> called_like(['happiness', 'boredom'], ['joy'])
        {'happiness': 'happiness', 'boredom': 'boredom'}
    """
    plain = [label_name(name) for name in wanted]
    if sorted(plain) != sorted(names):
        return {name: name for name in names}
    return dict(zip(plain, wanted, strict=True))


def extractor(modality: str, channels: int) -> str:
    """What probably made features, by their width.

    Args:
        modality: The modality.
        channels: Its width.

    Example:
        >>> extractor('audio', 74)
        'COVAREP (by its width)'
    """
    known = _EXTRACTORS.get((modality, channels))
    return f'{known} (by its width)' if known else ''
