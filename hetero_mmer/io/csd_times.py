"""Whether the times of files are in one unit, and in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.io.csd import CsdFile

#: So many videos are looked at, evenly spread.
_VIDEOS: Final = 25

#: Labels end with the frames at the latest, or nearly; so many times as late is another
#: unit.
_LATE: Final = 20

#: They may end much earlier. Frames in milliseconds end a thousand times as late.
_EARLY: Final = 500

#: A word or a sentence lasts for less, in seconds.
_LONG: Final = 60


def check_times(labels: CsdFile, files: Mapping[str, CsdFile]) -> list[str]:
    """Compares the times of features with those of labels, over some videos.

    Args:
        labels: The label file.
        files: The files of features by modality, with ``text``.

    Returns:
        A warning if all of them are probably in another unit than seconds.

    Raises:
        InputError: For a file whose times are in another unit than those of labels.
    """
    ends: dict[str, list[float]] = {modality: [] for modality in files}
    lasting: list[NDArray] = []
    for video in _some_videos(labels, files):
        end = _end(labels.read_times(video))
        for modality, file in files.items():
            times = file.read_times(video)
            if end > 0 and (other := _end(times)) > 0:
                ends[modality].append(other / end)
            if modality == 'text':
                lasting.append(np.abs(np.diff(times, axis=1)))
    for modality, ratios in ends.items():
        ratio = float(np.median(ratios)) if ratios else 1.0
        if not 1 / _LATE <= ratio <= _EARLY:
            raise InputError(
                f"times are in seconds in all files, but those of '{labels.path}' and "
                f"'{files[modality].path}' are in different units: the rows of a video "
                f'end {max(ratio, 1 / ratio):.3g} times as late in the '
                f'{"second" if ratio > 1 else "first"} one (median of {len(ratios)} '
                f'videos)'
            )
    long = np.concatenate(lasting) if lasting else np.empty(0)
    typical = (
        float(np.median(long[np.isfinite(long)])) if np.isfinite(long).any() else 0
    )
    if typical <= _LONG:
        return []
    return [
        f"WARNING: a row of '{files['text'].path.name}' lasts for {typical:g} s "
        f'(median): are its times in milliseconds? They are read as seconds'
    ]


def _some_videos(labels: CsdFile, files: Mapping[str, CsdFile]) -> Iterator[str]:
    known = [v for v in labels.videos if all(v in file for file in files.values())]
    places = np.linspace(0, len(known) - 1, min(len(known), _VIDEOS)).astype(int)
    yield from (known[i] for i in places)


def _end(times: NDArray) -> float:
    """When the last row ends; zero where nothing tells."""
    return float(np.max(times, initial=0.0, where=np.isfinite(times)))
