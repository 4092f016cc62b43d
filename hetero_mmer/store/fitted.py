"""What encoders learned, as plain arrays in HDF5: in a store, or beside a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import h5py
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, reason
from hetero_mmer.features.fitted import Fitted, little_endian, short
from hetero_mmer.io.safe_h5 import (
    DAMAGE,
    child,
    dataset_of,
    format_of,
    open_h5,
    read_array,
    read_json,
    write_format,
    write_text,
)
from hetero_mmer.store.checksum import checksum_of, read_checksums, write_checksums
from hetero_mmer.store.create import created

FORMAT: Final = 'hetero_mmer encoders'
VERSION: Final = 1


def write_fitted(file: h5py.File, fitted: Mapping[str, Fitted]) -> None:
    """Writes what encoders learned under ``fitted/<modality>``.

    Args:
        file: An open file.
        fitted: What the encoder of a modality learned.
    """
    for modality, one in fitted.items():
        group = file.create_group(f'fitted/{modality}')
        about = {'encoder': one.encoder, 'names': one.names, 'sha256': one.sha256}
        write_text(group, 'about', json.dumps(about, ensure_ascii=False))
        arrays = group.create_group('arrays')
        for name in sorted(one.arrays):
            arrays[name] = little_endian(one.arrays[name])


def fitted_sha256(file: h5py.File) -> dict[str, str]:
    """The hash of what each modality's encoder learned; arrays are not read.

    Args:
        file: An open file.
    """
    abouts = {m: read_json(dataset_of(g, 'about')) for m, g in _groups(file).items()}
    return {m: str(about['sha256']) for m, about in abouts.items()}


def read_fitted(file: h5py.File) -> dict[str, Fitted]:
    """Reads what :func:`write_fitted` wrote; none for a file that has none.

    Args:
        file: An open file.

    Raises:
        InputError: For content that is not what its hash says.
    """
    found = {}
    for modality, group in _groups(file).items():
        sha256 = '?'
        try:
            about = read_json(dataset_of(group, 'about'))
            sha256 = str(about['sha256'])
            arrays = {
                name: read_array(dataset_of(group, f'arrays/{name}'))
                for name in child(group, 'arrays')
            }
            one = Fitted(about['encoder'], tuple(about['names']), arrays)
            is_whole = one.sha256 == sha256
        except DAMAGE:
            is_whole = False
        if not is_whole:
            raise InputError(
                f"the fitted encoder of '{modality}' is damaged: its content is not "
                f'that of its hash {short(sha256)}'
            )
        found[modality] = one
    return found


def write_encoders(
    path: Path, fitted: Mapping[str, Fitted], fill: Mapping[str, NDArray]
) -> None:
    """Writes a file of encoders alone; equal content gives equal bytes.

    Args:
        path: The file.
        fitted: What the encoder of a modality learned.
        fill: What replaced values of each column that were not finite.
    """
    with created(path) as file:
        write_fitted(file, fitted)
        for modality, values in fill.items():
            file[f'fill/{modality}'] = values
        write_checksums(file, {})
        write_format(file, FORMAT, VERSION)


def read_encoders(path: Path) -> tuple[dict[str, Fitted], dict[str, NDArray]]:
    """Reads what :func:`write_encoders` wrote.

    Args:
        path: The file.

    Raises:
        InputError: For a file that is damaged, or another one.
    """
    try:
        with open_h5(path) as file:
            name, version = format_of(file)
            if name != FORMAT:
                raise InputError("it is no file of encoders (no 'format')")
            if version != VERSION:
                raise InputError(
                    f'its format version is {version}, and this release of '
                    f'hetero_mmer reads version {VERSION}'
                )
            for name, known in (read_checksums(file) or {}).items():
                if checksum_of(dataset_of(file, name), known.rows) != known:
                    raise InputError(f"'{name}' is not what was written (checksum)")
            names = child(file, 'fill') if 'fill' in file else ()
            fill = {m: read_array(dataset_of(file, f'fill/{m}')) for m in names}
            return read_fitted(file), fill
    except DAMAGE as error:
        raise InputError(f"cannot read the encoders '{path}': {reason(error)}") from (
            error
        )


def _groups(file: h5py.File) -> dict[str, h5py.Group]:
    """What encoders learned, by modality."""
    names = child(file, 'fitted') if 'fitted' in file else ()
    return {name: child(file, f'fitted/{name}') for name in names}
