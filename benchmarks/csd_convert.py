"""Conversion of CMU-MOSEI's ``.csd`` files, at its real rates and counts.

Writes random files into a temporary folder (words of 300 numbers at 2.5 Hz, visual
frames of 35 at 30 Hz, audio frames of 74 at 100 Hz, a segment of 7 s in every 10 s),
converts them in a process of its own, and prints its peak memory and the time per
video. Beside it, one video of 200 words: reading it, and its word alignment alone.

    python benchmarks/csd_convert.py [--videos 150] [--compression gzip|none]
        [--mode word-aligned|unaligned] [--folder BIG_DISK]

All of MOSEI is ``--videos 3229 --compression none``: 9 GB of files and 1 GB of store.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import h5py
import numpy as np
from numpy.typing import NDArray

from hetero_mmer.datasets.mosei.cmu_mosei import convert
from hetero_mmer.features.alignment import Items, word_align
from hetero_mmer.io.csd import CsdFile

ROOTS = {'COVAREP': (100.0, 74), 'FACET 4.2': (30.0, 35)}
WORDS, WORD_WIDTH, WORD_RATE = 'glove_vectors', 300, 2.5
LABELS = 'All Labels'
MEAN_DURATION = 72.5  # 65 hours of 3,229 videos.


def make_video(rng: np.random.Generator, duration: float) -> dict[str, Items]:
    """Words, frames and labelled segments of one video."""
    parts = {}
    for root, (rate, width) in ROOTS.items():
        start = np.arange(max(1, int(duration * rate))) / rate
        features = rng.standard_normal((len(start), width), np.float32)
        features[rng.random(len(start)) < 0.01, 0] = -np.inf
        parts[root] = Items(features, np.stack([start, start + 1 / rate], axis=1))
    lengths = rng.uniform(0.1, 0.6, max(1, int(duration * WORD_RATE)))
    pauses = rng.uniform(0, 0.1, len(lengths))
    end = np.cumsum(lengths + pauses)
    words = rng.standard_normal((len(end), WORD_WIDTH), np.float32)
    parts[WORDS] = Items(words, np.stack([end - lengths, end], axis=1))
    start = np.arange(0, duration, 10.0)
    labels = rng.integers(0, 4, (len(start), 7)).astype(np.float32)
    times = np.stack([start, np.minimum(start + 7, duration)], axis=1)
    parts[LABELS] = Items(labels, times)
    return parts


def write_files(folder: Path, durations: NDArray[np.float64], compression: str) -> None:
    """The four files and the folds of videos that last so long."""
    rng = np.random.default_rng(0)
    filters = {'compression': 'gzip', 'compression_opts': 9}  # As the SDK writes.
    if compression == 'none':
        filters = {}
    files = {r: h5py.File(folder / f'{r}.csd', 'w') for r in (*ROOTS, WORDS, LABELS)}
    names = [f'video-{i:05d}' for i in range(len(durations))]
    for name, duration in zip(names, durations, strict=True):
        for root, items in make_video(rng, float(duration)).items():
            group = files[root].create_group(f'{root}/data/{name}')
            group.create_dataset('features', data=items.features, **filters)
            group.create_dataset('intervals', data=items.intervals, **filters)
    for root, file in files.items():
        metadata = file[root].create_group('metadata')
        text = h5py.string_dtype()
        metadata.create_dataset('root name', data=[json.dumps(root)], dtype=text)
        file.close()
    cuts = [int(len(names) * share) for share in (0.7, 0.8)]
    folds = zip(('train', 'valid', 'test'), np.split(names, cuts), strict=True)
    lists = {split: part.tolist() for split, part in folds}
    (folder / 'folds.json').write_text(json.dumps(lists))


def measure(folder: Path, mode: str) -> dict[str, float]:
    """Converts, and says how long that took and how much memory it needed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    with convert(
        [folder], folder / 'out.h5', mode=mode, folds=str(folder / 'folds.json')
    ) as store:
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            'seconds': seconds,
            'before': before,
            'peak': peak,
            'samples': len(store),
            'dropped': len(store.dropped),
        }


def times_of_alignment(folder: Path, repeats: int = 11) -> tuple[float, float]:
    """Seconds to read the one video of a folder, and to align its words in memory."""
    reading, aligning = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        items = {}
        for root in (*ROOTS, WORDS):
            with CsdFile(folder / f'{root}.csd') as file:
                items[root] = file.read(file.videos[0])
        middle = time.perf_counter()
        word_align(items.pop(WORDS), items)
        reading.append(middle - start)
        aligning.append(time.perf_counter() - middle)
    return median(reading), median(aligning)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--videos', type=int, default=150)
    parser.add_argument('--compression', choices=('gzip', 'none'), default='gzip')
    parser.add_argument(
        '--mode', choices=('word-aligned', 'unaligned'), default='word-aligned'
    )
    parser.add_argument('--folder', help='where to put the temporary folder')
    parser.add_argument('--measure', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.mode)))
        return

    durations = np.random.default_rng(0).lognormal(0, 0.6, args.videos)
    durations *= MEAN_DURATION / durations.mean()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        start = time.perf_counter()
        write_files(folder, durations, args.compression)
        size = sum(path.stat().st_size for path in folder.glob('*.csd')) / 1e9
        written = time.perf_counter() - start
        print(f'{args.videos} videos, {size:.2f} GB of files made in {written:.0f} s')
        run = subprocess.run(
            [sys.executable, __file__, '--measure', name, '--mode', args.mode],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=os.environ,
        )
        found = json.loads(run.stdout)
        per_video = found['seconds'] / args.videos * 1000
        print(f'{found["samples"]} samples, {found["dropped"]} dropped')
        print(f'{found["seconds"]:.1f} s, {per_video:.1f} ms per video, disk included')
        print(
            f'{found["peak"]:.0f} MiB at the peak, {found["before"]:.0f} MiB of them '
            f'for the libraries'
        )
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        write_files(Path(name), np.array([200 / WORD_RATE]), args.compression)
        reading, aligning = times_of_alignment(Path(name))
    print(
        f'a video of 200 words: {reading * 1000:.1f} ms to read, '
        f'{aligning * 1000:.1f} ms to align the frames to the words'
    )


if __name__ == '__main__':
    main()
