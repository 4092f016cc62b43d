"""M3ED's ``annotation.json``: the emotions and the time of each utterance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import parse_json
from hetero_mmer.io.text_file import read_text

#: The emotions as M3ED spells them, in the order of their numbers.
EMOTIONS: Final = ('Happy', 'Neutral', 'Sad', 'Disgust', 'Anger', 'Fear', 'Surprise')

_STAMP: Final = re.compile(r'(\d{1,6}):(\d{1,6}):(\d{1,6}):(\d{1,6})')


class Utterance(NamedTuple):
    """What the annotation says of one utterance."""

    emotions: tuple[str, ...]  # As they are written; none if they are not told.
    span: tuple[float, float] | None  # In seconds; None for a stamp that is none.


def read_annotation(path: Path, *, frame_rate: float = 25.0) -> dict[str, Utterance]:
    """Reads all utterances of ``annotation.json``, by id such as ``anjia_1_1``.

    Args:
        path: The file.
        frame_rate: Frames in a second: time stamps end in frames.

    Raises:
        InputError: For a file that is not laid out like that.
    """
    text = read_text(path, 'an annotation')
    try:
        shows = parse_json(text)
    except ValueError as error:
        raise InputError(f"'{path}' is no JSON ({error})") from error
    found: dict[str, Utterance] = {}
    try:
        for show in shows.values():
            for dialogue in show.values():
                for name, utterance in dialogue['Dialog'].items():
                    if name in found:
                        raise InputError(
                            f"'{path}' has the utterance '{name}' in two dialogues"
                        )
                    found[name] = _utterance(utterance, frame_rate)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"'{path}' is M3ED's annotation, show → dialogue → 'Dialog' → utterance → "
            f"'EmoAnnotation' → 'final_mul_emo' (got {type(error).__name__}: {error})"
        ) from error
    return found


def seconds(stamp: str, frame_rate: float = 25.0) -> float | None:
    """A time stamp in seconds, None for anything that is no stamp.

    Args:
        stamp: Hours, minutes, seconds and frames.
        frame_rate: Frames in a second.

    Example:
        >>> seconds('00:01:02:05'), seconds('soon')
        (62.2, None)
    """
    match = _STAMP.fullmatch(stamp.strip())
    if match is None:
        return None
    hours, minutes, whole, frames = map(int, match.groups())
    return 3600 * hours + 60 * minutes + whole + frames / frame_rate


def multi_hot(emotions: Sequence[str]) -> NDArray[np.uint8] | None:
    """Emotions as zeros and ones, None if one is unknown or there are none.

    Args:
        emotions: Their names.

    Example:
        >>> multi_hot(['Sad', 'Happy']), multi_hot(['NotSure'])
        (array([1, 0, 1, 0, 0, 0, 0], dtype=uint8), None)
    """
    if not emotions or any(name not in EMOTIONS for name in emotions):
        return None
    return np.array([name in emotions for name in EMOTIONS], np.uint8)


def _utterance(utterance: Mapping[str, Any], frame_rate: float) -> Utterance:
    secret = 'StartTime' in utterance and utterance.get('EmoAnnotation') is None
    text = None if secret else utterance['EmoAnnotation']['final_mul_emo']
    emotions = tuple(name.strip() for name in (text or '').split(',') if name.strip())
    stamps = (utterance.get('StartTime'), utterance.get('EndTime'))
    start, end = (seconds(str(stamp), frame_rate) for stamp in stamps)
    span = None if start is None or end is None else (start, end)
    return Utterance(emotions, span)
