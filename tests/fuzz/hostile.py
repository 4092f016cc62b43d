"""Stores that are made to do harm: to take memory, time, or other people's files."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from hetero_mmer.errors import InputError
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.store import ModalitySpec, StoreWriter

_VALUES: Final = 'features/text/values'


def write_good(path: Path, num_samples: int = 8) -> Path:
    """A small store with nearly everything that a store may have."""
    rng = np.random.default_rng(0)
    specs = {
        'text': ModalitySpec(4, extractor='toy', columns=('a', 'b', 'c', 'd')),
        'words': ModalitySpec(1, num_embeddings=9),
    }
    with StoreWriter(
        path,
        specs,
        ['joy', 'anger'],
        clean='mean',
        timed=['text'],
        segmented=['words'],
        named=['words'],
        intensities=True,
        fitted={'text': Fitted('toy-1', ('a',), {'mean': np.ones(4)})},
    ) as writer:
        for i in range(num_samples):
            text = rng.normal(size=(3, 4))
            text[0, 0] = np.nan if i == 1 else 1
            writer.add(
                f'sample {i}',
                {'text': text, 'words': rng.integers(0, 9, 5)},
                [i % 2, 1],
                split=['train', 'valid', 'test'][i % 3],
                intensities=[0, 1],
                times={'text': [[0, 1], [1, 2], [2, 3]]},
                segments={'words': [0, 0, 1, 1, 2]},
                names={'words': ['so', 'good', 'é', '', f'end {i}']},
            )
        writer.extra('score', np.arange(num_samples))
        writer.note('a note')
        writer.drop('lost', 'it has no text')
    return path


def hostile_stores(folder: Path) -> Iterator[tuple[str, Path]]:
    """Stores that no command may believe, each with its name; one at a time."""
    good = write_good(folder / 'good.h5')
    secret = folder / 'secret.h5'
    with h5py.File(secret, 'w') as file:
        file['values'] = np.zeros((24, 4), np.float32)
    (folder / 'secret.bin').write_bytes(bytes(24 * 4 * 4))
    for make in _HOSTILE:
        path = folder / f'{make.__name__.strip("_")}.h5'
        shutil.copy(good, path)
        with h5py.File(path, 'r+') as file:
            make(file)
        yield path.stem, path


def _external_link(file: h5py.File) -> None:
    del file[_VALUES]
    file[_VALUES] = h5py.ExternalLink('secret.h5', '/values')


def _external_link_that_nobody_reads(file: h5py.File) -> None:
    file['mine'] = h5py.ExternalLink('/etc/hostname', '/')


def _soft_link(file: h5py.File) -> None:
    file['features/text/copy'] = file[_VALUES]
    del file[_VALUES]
    file[_VALUES] = h5py.SoftLink('/features/text/copy')


def _soft_link_to_itself(file: h5py.File) -> None:
    del file['about']
    file['about'] = h5py.SoftLink('/about')


def _modality_is_a_link(file: h5py.File) -> None:
    file.move('features/text', 'features/other')
    file['features/text'] = h5py.SoftLink('/features/other')


def _virtual(file: h5py.File) -> None:
    del file[_VALUES]
    layout = h5py.VirtualLayout((24, 4), np.float32)
    layout[:] = h5py.VirtualSource('secret.h5', 'values', (24, 4))
    file.create_virtual_dataset(_VALUES, layout)


def _external_storage(file: h5py.File) -> None:
    del file[_VALUES]
    outside = [('secret.bin', 0, 24 * 4 * 4)]
    file.create_dataset(_VALUES, (24, 4), np.float32, external=outside)


def _trillion_rows(file: h5py.File) -> None:
    del file[_VALUES], file['features/text/ptr']
    file.create_dataset(_VALUES, (10**12, 4), np.float32, chunks=(10**6, 4))
    file['features/text/ptr'] = [0, *range(1, 8), 10**12]


def _trillion_rows_in_a_row(file: h5py.File) -> None:
    del file[_VALUES], file['features/text/ptr']
    file.create_dataset(_VALUES, (10**12, 4), np.float32)
    file['features/text/ptr'] = [0, *range(1, 8), 10**12]


def _one_chunk_of_many(file: h5py.File) -> None:
    del file[_VALUES], file['features/text/ptr']
    values = file.create_dataset(
        _VALUES, (10**9, 4), np.float32, chunks=(10**5, 4), compression='gzip'
    )
    values[0] = 1
    file['features/text/ptr'] = [0, *range(1, 8), 10**9]


def _huge_ptr(file: h5py.File) -> None:
    del file['features/text/ptr']
    file.create_dataset('features/text/ptr', (10**10,), np.int64, chunks=(10**6,))


def _ptr_bomb(file: h5py.File) -> None:
    del file['features/text/ptr']
    file.create_dataset(
        'features/text/ptr', data=np.zeros(1 << 22, np.int64), compression='gzip'
    )


def _huge_ids(file: h5py.File) -> None:
    del file['ids']
    file.create_dataset('ids', (8,), 'S1000000000', chunks=(1,), compression='gzip')


def _long_ids(file: h5py.File) -> None:
    del file['ids']
    file['ids'] = np.array([b'a' * 70_000] * 8)


def _ids_bomb(file: h5py.File) -> None:
    del file['ids']
    file.create_dataset('ids', data=np.zeros(1 << 20, 'S64'), compression='gzip')


def _ids_of_another_length(file: h5py.File) -> None:
    del file['ids']
    file['ids'] = [f'sample {i}' for i in range(8)]
    raw = file['ids'].id
    file.flush()
    offset = raw.get_offset()
    path = file.filename
    file.close()
    with open(path, 'rb+') as bytes_:
        bytes_.seek(offset)
        bytes_.write((2**32 - 1).to_bytes(4, 'little'))


def _many_small_parts(file: h5py.File) -> None:
    for i in range(64):
        file.create_dataset(
            f'extra/zeros{i}', data=np.zeros((8, 1 << 16)), compression='gzip'
        )


def _inflates(file: h5py.File) -> None:
    del file['labels']
    labels = file.create_dataset(
        'labels', (8, 2), np.uint8, chunks=(8, 2), compression='gzip'
    )
    labels.id.write_direct_chunk((0, 0), zlib.compress(bytes(400_000_000)))


def _two_gzips(file: h5py.File) -> None:
    del file[_VALUES]
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((24, 4))
    creation.set_deflate(9)
    creation.set_deflate(9)
    space = h5py.h5s.create_simple((24, 4))
    kind = h5py.h5t.IEEE_F32LE
    values = h5py.h5d.create(file.id, _VALUES.encode(), kind, space, creation)
    h5py.Dataset(values)[:] = 0


def _another_filter(file: h5py.File) -> None:
    del file[_VALUES]
    file.create_dataset(
        _VALUES, data=np.zeros((24, 4), np.int32), chunks=(24, 4), scaleoffset=0
    )


def _json(name: str, text: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = np.bytes_(text)

    return change


def _about(**changes: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        about = json.loads(file['about'][()])
        _json('about', json.dumps({**about, **changes}))(file)

    return change


def _deep_about(file: h5py.File) -> None:
    _json('about', '[' * 100_000 + ']' * 100_000)(file)


def _deep_attrs(file: h5py.File) -> None:
    _json('attrs', '{"a":' * 100_000 + '1' + '}' * 100_000)(file)


def _large_attrs(file: h5py.File) -> None:
    _json('attrs', '[' + '[],' * 3_000_000 + '0]')(file)


def _attrs_are_a_list(file: h5py.File) -> None:
    _json('attrs', '[1, 2]')(file)


def _notes_are_numbers(file: h5py.File) -> None:
    _json('attrs', '{"notes": [1]}')(file)


def _deep_encoder(file: h5py.File) -> None:
    _json('fitted/text/about', '[' * 100_000)(file)


def _labels_are_text(file: h5py.File) -> None:
    _about(label_names='joy')(file)


def _a_million_labels(file: h5py.File) -> None:
    _about(label_names=[f'l{i}' for i in range(100_000)])(file)
    del file['labels'], file['intensities']
    file['labels'] = np.zeros((8, 100_000), np.uint8)


def _channels_are_text(file: h5py.File) -> None:
    _about(modalities={'text': {'channels': '4', 'kind': 'set', 'columns': []}})(file)


def _no_rows_of_great_width(file: h5py.File) -> None:
    del file[_VALUES], file['features/text/ptr'], file['features/text/time']
    del file['features/text/cleaned']
    width = 10**12
    spec = {'channels': width, 'kind': 'set', 'columns': [], 'extractor': ''}
    _about(modalities={'text': spec})(file)
    file.create_dataset(_VALUES, (0, width), np.float32)
    file['features/text/ptr'] = np.zeros(9, np.int64)


def _compound(file: h5py.File) -> None:
    del file[_VALUES]
    file[_VALUES] = np.zeros((24, 4), [('a', 'f4'), ('b', 'f4')])


def _references(file: h5py.File) -> None:
    del file[_VALUES]
    values = file.create_dataset(_VALUES, (24, 4), h5py.ref_dtype)
    values[...] = file['ids'].ref


def _values_of_any_length(file: h5py.File) -> None:
    del file[_VALUES]
    file.create_dataset(_VALUES, (24, 4), h5py.vlen_dtype(np.float32))


def _labels_of_another_kind(file: h5py.File) -> None:
    del file['labels']
    file['labels'] = np.array([[b'0', b'1']] * 8)


def _ids_are_numbers(file: h5py.File) -> None:
    del file['ids']
    file['ids'] = np.arange(8)


def _times_are_complex(file: h5py.File) -> None:
    del file['features/text/time']
    file['features/text/time'] = np.zeros((24, 2), complex)


def _groups_without_end(file: h5py.File) -> None:
    group = file.create_group('deep')
    for _ in range(100):
        group = group.create_group('g')


def _no_data(file: h5py.File) -> None:
    del file['labels']
    file['labels'] = h5py.Empty('f4')


def _a_group_for_labels(file: h5py.File) -> None:
    del file['labels']
    file.create_group('labels')


_HOSTILE: Final = (
    *(_external_link, _external_link_that_nobody_reads, _soft_link),
    *(_soft_link_to_itself, _modality_is_a_link, _virtual, _external_storage),
    *(_trillion_rows, _trillion_rows_in_a_row, _one_chunk_of_many, _huge_ptr),
    *(_ptr_bomb, _huge_ids, _long_ids, _ids_bomb, _ids_of_another_length),
    *(_many_small_parts, _inflates, _two_gzips, _another_filter, _deep_about),
    *(_deep_attrs, _large_attrs, _attrs_are_a_list, _notes_are_numbers),
    *(_deep_encoder, _labels_are_text, _a_million_labels, _channels_are_text),
    *(_no_rows_of_great_width, _compound, _references, _values_of_any_length),
    *(_labels_of_another_kind, _ids_are_numbers, _times_are_complex),
    *(_groups_without_end, _no_data, _a_group_for_labels),
)


def make_heap_loop(path: Path) -> Path:
    """Damages a file so that HDF5 never ends reading a string of variable length.

    The free space of each heap is said to take no bytes, so the next entry is itself.
    """
    data = bytearray(path.read_bytes())
    heap = data.find(b'GCOL')
    while heap >= 0:
        entry = heap + 16
        while int.from_bytes(data[entry : entry + 2], 'little'):
            size = int.from_bytes(data[entry + 8 : entry + 16], 'little')
            entry += 16 + -(-size // 8) * 8
        data[entry + 8 : entry + 16] = bytes(8)
        heap = data.find(b'GCOL', heap + 1)
    path.write_bytes(data)
    return path


def as_version_1(path: Path) -> Path:
    """A store as release 0.1 wrote it: strings in heaps, and no checksums."""
    with h5py.File(path, 'r+') as file:
        del file['checksums']
        for name in ('about', 'attrs', *(f'fitted/{m}/about' for m in file['fitted'])):
            text = file[name][()].decode()
            del file[name]
            file[name] = text
        file.attrs['format'] = file.attrs['format'].decode()
    return path


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """The sentence of what refuses a file, or none."""
    try:
        read(path)
    except InputError as error:
        return str(error)
    return ''
