"""Computational sequences that are made to do harm."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import h5py
import numpy as np

_FEATURES: Final = 'glove_vectors/data/v0/features'
_METADATA: Final = 'glove_vectors/metadata'


def write_good_csd(path: Path) -> Path:
    """Four videos of word vectors, as the SDK writes them."""
    with h5py.File(path, 'w') as file:
        for i in range(4):
            group = file.create_group(f'glove_vectors/data/v{i}')
            group['features'] = np.arange(15, dtype=np.float32).reshape(5, 3)
            group['intervals'] = np.stack([np.arange(5.0), np.arange(1.0, 6.0)], 1)
        text = np.array(['["a", "b", "c"]'], h5py.string_dtype())
        file[f'{_METADATA}/dimension names'] = text
        file['glove_vectors'].attrs['about'] = 'words'
    return path


def hostile_csd(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files that no conversion may believe, each with its name; one at a time."""
    good = write_good_csd(folder / 'good.csd')
    shutil.copy(good, folder / 'secret.csd')
    (folder / 'secret.bin').write_bytes(bytes(60))
    for make in _HOSTILE:
        path = folder / f'{make.__name__.strip("_")}.csd'
        shutil.copy(good, path)
        with h5py.File(path, 'r+') as file:
            make(file)
        yield path.stem, path


def _external_link(file: h5py.File) -> None:
    del file[_FEATURES]
    file[_FEATURES] = h5py.ExternalLink('secret.csd', f'/{_FEATURES}')


def _external_root(file: h5py.File) -> None:
    del file['glove_vectors']
    file['glove_vectors'] = h5py.ExternalLink('secret.csd', '/glove_vectors')


def _video_is_a_link(file: h5py.File) -> None:
    del file['glove_vectors/data/v0']
    file['glove_vectors/data/v0'] = h5py.SoftLink('/glove_vectors/data/v1')


def _data_is_a_link_to_itself(file: h5py.File) -> None:
    del file['glove_vectors/data']
    file['glove_vectors/data'] = h5py.SoftLink('/glove_vectors/data')


def _virtual(file: h5py.File) -> None:
    del file[_FEATURES]
    layout = h5py.VirtualLayout((5, 3), np.float32)
    layout[:] = h5py.VirtualSource('secret.csd', _FEATURES, (5, 3))
    file.create_virtual_dataset(_FEATURES, layout)


def _external_storage(file: h5py.File) -> None:
    del file[_FEATURES]
    outside = [('secret.bin', 0, 60)]
    file.create_dataset(_FEATURES, (5, 3), np.float32, external=outside)


def _trillion_rows(file: h5py.File) -> None:
    del file[_FEATURES], file['glove_vectors/data/v0/intervals']
    file.create_dataset(_FEATURES, (10**12, 3), np.float32, chunks=(10**6, 3))
    file.create_dataset('glove_vectors/data/v0/intervals', (10**12, 2), 'f4')


def _zip_bomb(file: h5py.File) -> None:
    del file[_FEATURES], file['glove_vectors/data/v0/intervals']
    for name, width in (('features', 3), ('intervals', 2)):
        file.create_dataset(
            f'glove_vectors/data/v0/{name}',
            data=np.zeros((1 << 25, width), np.int8),
            chunks=(1 << 20, width),
            compression='gzip',
        )
    file['glove_vectors/data/v0'].move('features', 'other')
    file.create_dataset(
        _FEATURES,
        data=np.zeros((1 << 25, 5), np.int8),
        chunks=(1 << 20, 5),
        compression='gzip',
    )


def _compound(file: h5py.File) -> None:
    del file[_FEATURES]
    file[_FEATURES] = np.zeros((5, 3), [('a', 'f4')])


_HOSTILE: Final = (
    *(_external_link, _external_root, _video_is_a_link, _data_is_a_link_to_itself),
    *(_virtual, _external_storage, _trillion_rows, _zip_bomb, _compound),
)
