"""Small files as the CMU-MultimodalSDK writes them."""

from __future__ import annotations

import json

import h5py
import numpy as np

NAMES = ('sentiment', 'happy', 'sad', 'anger', 'surprise', 'disgust', 'fear')


def write_csd(path, root, entries, metadata=None):
    """Entries are (features, intervals) by name; metadata is stored as it is given."""
    with h5py.File(path, 'w') as file:
        for name, (features, intervals) in entries.items():
            group = file.create_group(f'{root}/data/{name}')
            group['features'] = np.asarray(features, np.float32)
            group['intervals'] = np.asarray(intervals, np.float64)
        about = file.create_group(f'{root}/metadata')
        for key, value in (metadata or {}).items():
            about[key] = value


def as_json(value):
    """As the SDK stores metadata."""
    return np.array([json.dumps(value)], dtype=h5py.string_dtype())


def segments_of(video, num_segments=13, length=3.0, overlap=0.0):
    """Labels of segments, [S, 7], that tell their number and video, and their times."""
    number = np.arange(num_segments)
    emotions = (number[:, None] >> np.arange(6)) & 1
    labels = np.hstack([np.full((num_segments, 1), -1 + video), emotions])
    start = length * number
    return labels, np.stack([start, start + length + overlap], axis=1)


def words_of(video, num_segments=13, length=3.0):
    """A word a second; its vector tells which one it is."""
    number = np.arange(int(num_segments * length))
    features = np.repeat(1000.0 * video + number[:, None], 4, axis=1)
    return features, np.stack([number, number + 1.0], axis=1)


def by_segment(video, rows, segments, numbers):
    """What the SDK's alignment leaves: the rows of each segment, clipped to it."""
    entries = {}
    for i in numbers:
        start, stop = segments[1][i]
        hit = (rows[1][:, 1] > start) & (rows[1][:, 0] < stop)
        entries[f'{video}[{i}]'] = rows[0][hit], np.clip(rows[1][hit], start, stop)
    return entries
