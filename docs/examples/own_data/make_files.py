"""Stands for the files that you have: tables of clips, and arrays of each clip."""

import csv
from pathlib import Path

import numpy as np

rng = np.random.default_rng(0)
mean = rng.normal(size=(2, 2, 8))  # of each label and modality


def write(name, number, columns):
    """Writes NAME.csv, NAME/text/ID.npy for each clip, and NAME/audio.npz."""
    Path(name, 'text').mkdir(parents=True)
    audio = {}
    with open(f'{name}.csv', 'w', newline='') as file:
        table = csv.DictWriter(
            file, columns, extrasaction='ignore', lineterminator='\n'
        )
        table.writeheader()
        for i in range(number):
            clip, y = f'{name}{i:02}', rng.integers(0, 2, 2)
            words, sounds = np.einsum('l,lmf->mf', y, mean)
            text = words + 2 * rng.normal(size=(rng.integers(3, 9), 8))
            np.save(f'{name}/text/{clip}.npy', text)
            if i % 10:  # Every tenth clip has no sound.
                audio[clip] = sounds[:4] + 2 * rng.normal(size=(rng.integers(5, 20), 4))
            video = f'video{i // 3}'
            table.writerow({'id': clip, 'group': video, 'joy': y[0], 'anger': y[1]})
    np.savez(f'{name}/audio.npz', **audio)


write('clips', 150, ['id', 'group', 'joy', 'anger'])
write('new', 5, ['id'])
