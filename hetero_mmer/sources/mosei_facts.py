"""What is known of CMU-MOSEI, whoever made the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

SOURCE: Final = 'CMU-MOSEI'
LICENCE: Final = "that of the CMU-MultimodalSDK's data; features only, no video"
CITATION: Final = (
    'A. Zadeh, P. P. Liang, S. Poria, E. Cambria, L.-P. Morency: Multimodal Language '
    'Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic Fusion Graph. '
    'ACL 2018'
)

#: The emotions, in the order of the label file; sentiment is the column before them.
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
    'happy': 'happiness',
    'joy': 'happiness',
    'sad': 'sadness',
    'angry': 'anger',
    'surprised': 'surprise',
    'disgusted': 'disgust',
    'fearful': 'fear',
}


def label_name(name: str) -> str:
    """An emotion as we call it.

    Args:
        name: As a file calls it.

    Example:
        >>> label_name(' Happy'), label_name('boredom')
        ('happiness', 'boredom')
    """
    plain = name.strip().lower()
    return _SPELLINGS.get(plain, plain)


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
