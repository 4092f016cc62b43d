"""Whether features come from the encoders that a model learned from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from numpy.typing import NDArray

from hetero_mmer.errors import InputError, InputWarning
from hetero_mmer.features.fitted import Fitted, short
from hetero_mmer.files.output import replacing
from hetero_mmer.run.record import Record
from hetero_mmer.store import Store
from hetero_mmer.store.fitted import write_encoders
from hetero_mmer.store.like import ENCODERS

#: What version 0.1 wrote of features that were fitted, without what was learned.
_FITTED_BEFORE: Final = (
    'hashed n-grams, tf-idf, SVD',
    'Marsyas (timbre and beat histogram), standardised',
)


def keep_encoders(
    folder: Path, fitted: Mapping[str, Fitted], fill: Mapping[str, NDArray]
) -> None:
    """Keeps with a run what the encoders of its data learned, if anything.

    Args:
        folder: The folder of the run.
        fitted: What the encoder of each modality learned.
        fill: What replaced values of each column that were not finite.
    """
    if fitted or fill:
        with replacing(folder / ENCODERS) as temporary:
            write_encoders(temporary, fitted, fill)


def check_encoders(run: Record, store: Store) -> None:
    """Refuses features of other encoders, and warns where they are not known.

    Args:
        run: The run.
        store: The data for its model.

    Raises:
        InputError: For a modality whose features come from another encoder.
    """
    unknown = []
    for modality, about in run.about['modalities'].items():
        ours, theirs = about.get('fitted'), store.fitted_sha256.get(modality)
        tools = about['extractor'], store.extractors[modality]
        differ = all(tools) and tools[0] != tools[1]
        told = (
            f"the model of '{run.path}' learned '{modality}' from "
            f"{_name(tools[0], ours)}, and '{store.path}' has it from "
            f'{_name(tools[1], theirs)}'
        )
        if ours != theirs and ((ours and theirs) or differ):
            raise InputError(
                f'{told}: convert the samples again, by `convert(..., '
                f'like={str(run.path)!r})`'
            )
        if differ:
            _warn(f'{told}: predictions are wrong unless both are the same')
        elif ours != theirs or (ours is None and tools[0] in _FITTED_BEFORE):
            unknown.append(modality)
    if unknown and store.sha256() != run.about['data']['sha256']:
        _warn(
            f"whether {unknown} of '{store.path}' come from the encoders that the "
            f"model of '{run.path}' learned from is not known, as one of both keeps "
            f'none: predictions are wrong if they do not'
        )


def _name(extractor: str, sha256: str | None) -> str:
    words = [f"'{extractor}'" if extractor else '', short(sha256) if sha256 else '']
    return ' '.join(filter(None, words)) or 'an unknown encoder'


def _warn(sentence: str) -> None:
    warnings.warn(sentence, InputWarning, stacklevel=5)
