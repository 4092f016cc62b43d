"""What new samples for a trained model have to be like."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.features.fitted import Fitted, short
from hetero_mmer.store.about import read_about
from hetero_mmer.store.fitted import read_encoders
from hetero_mmer.store.format import Clean, ModalitySpec
from hetero_mmer.store.reader import Store

#: What a run keeps: what its model reads, and the encoders of its data.
MODEL: Final = 'model.json'
ENCODERS: Final = 'encoders.h5'

#: Where a store, and what a run keeps of its data, has the intensity above which a
#: label is present.
POSITIVE_ABOVE: Final = 'positive_above'


@dataclass(frozen=True)
class Like:
    """Modalities, labels and encoders of a store, or of the data of a run.

    Args:
        path: The store, or the folder of the run.
        specs: What each modality is.
        label_names: Names of the labels.
        fitted: What the encoder of a modality learned, where one did.
        fill: What replaced values of each column that were not finite, where it was
            the mean.
        left_out: Modalities of the data that the model of the run does not use.
        positive_above: The intensity above which a label is present, where labels were
            made of intensities and it is known.
    """

    path: Path
    specs: Mapping[str, ModalitySpec]
    label_names: tuple[str, ...]
    fitted: Mapping[str, Fitted]
    fill: Mapping[str, NDArray]
    left_out: tuple[str, ...] = ()
    positive_above: float | None = None

    def note(self) -> str:
        """What samples are like, in a sentence for the report."""
        names = ', '.join(f'{m} {short(one.sha256)}' for m, one in self.fitted.items())
        how = f', with its encoders ({names})' if names else ''
        return f"modalities and labels are those of '{self.path}'{how}"

    def num_embeddings(self, modality: str) -> int | None:
        """Size of the vocabulary of a modality, if it has one.

        Args:
            modality: Its name.
        """
        spec = self.specs.get(modality)
        return None if spec is None else spec.num_embeddings

    def encoder(self, modality: str) -> Fitted:
        """What the encoder of a modality learned.

        Args:
            modality: Its name.

        Raises:
            InputError: If there is none.
        """
        if modality not in self.fitted:
            raise InputError(
                f"'{self.path}' has no fitted encoder of '{modality}' (it has "
                f'{list(self.fitted)}): its data are of another format, or of version '
                f'0.1, which kept none; convert them and train again'
            )
        return self.fitted[modality]

    def called(self, label_names: Sequence[str]) -> tuple[str, ...]:
        """Names of labels as they are here, where only capitals or Unicode form differ.

        Args:
            label_names: The names, in order.

        Example:
            >>> like = Like(Path('a.h5'), {}, ('joy', 'Anger'), {}, {})
            >>> like.called(['Joy', 'anger']), like.called(['anger', 'joy'])
            (('joy', 'Anger'), ('anger', 'joy'))
        """
        ours, theirs = map(_plain, self.label_names), map(_plain, label_names)
        same = list(ours) == (plain := list(theirs)) and len(set(plain)) == len(plain)
        return self.label_names if same else tuple(label_names)

    def check(
        self,
        specs: Mapping[str, ModalitySpec],
        label_names: tuple[str, ...],
        fitted: Mapping[str, Fitted],
        clean: Clean | None,
    ) -> None:
        """Refuses what is not like it.

        Args:
            specs: What each modality is.
            label_names: Names of the labels.
            fitted: What the encoder of a modality learned.
            clean: What replaces values that are not finite.

        Raises:
            InputError: For other modalities, widths, vocabularies, kinds, columns,
                encoders, label names or another cleaning.
        """
        if missing := [m for m in self.specs if m not in specs]:
            raise self._differs(f"modality '{missing[0]}'", f'only {list(specs)}')
        known = (*self.specs, *self.left_out)
        if unknown := [m for m in specs if m not in known]:
            raise self._differs(f'the modalities {list(known)}', f"'{unknown[0]}'")
        for modality, ours in self.specs.items():
            theirs = specs[modality]
            for what, expected, got in (
                ('width', ours.channels, theirs.channels),
                ('kind', ours.kind, theirs.kind),
                ('vocabulary', ours.num_embeddings, theirs.num_embeddings),
            ):
                if expected != got:
                    raise self._differs(f"{what} {expected} for '{modality}'", str(got))
            if ours.columns and theirs.columns and ours.columns != theirs.columns:
                raise self._differs(
                    f"the columns {list(ours.columns)} of '{modality}'",
                    str(list(theirs.columns)),
                )
            self._check_encoder(modality, fitted)
        if tuple(label_names) != self.label_names:
            raise self._differs(
                f'the labels {list(self.label_names)}', str(list(label_names))
            )
        if (clean == 'mean') != bool(self.fill) and clean is not None:
            usual = 'mean' if self.fill else 'zero'
            raise self._differs(f"values cleaned by '{usual}'", f"'{clean}'")

    def _check_encoder(self, modality: str, fitted: Mapping[str, Fitted]) -> None:
        ours, theirs = self.fitted.get(modality), fitted.get(modality)
        if ours and (theirs is None or theirs.sha256 != ours.sha256):
            got = f'{theirs.encoder} {short(theirs.sha256)}' if theirs else 'none here'
            raise self._differs(
                f"'{modality}' by the encoder {ours.encoder} {short(ours.sha256)}", got
            )

    def _differs(self, expected: str, got: str) -> InputError:
        return InputError(
            f"new samples are like '{self.path}', which has {expected} (got {got})"
        )


def read_like(path: str | os.PathLike[str] | None) -> Like | None:
    """Reads what new samples have to be like.

    Args:
        path: A store, or the folder of a finished run; None for nothing.

    Raises:
        InputError: For anything else, or what is damaged.
    """
    if path is None:
        return None
    if Path(path).is_dir():
        return _of_run(Path(path))
    if not Path(path).exists():
        raise InputError(
            f"'like' is a store or the folder of a run, but '{path}' does not exist"
        )
    with Store(path) as store:
        return Like(
            Path(path),
            store.specs,
            store.label_names,
            store.fitted,
            store.fill,
            positive_above=_number(store.attrs.get(POSITIVE_ABOVE), path),
        )


def _of_run(path: Path) -> Like:
    if not (path / MODEL).is_file():
        raise InputError(
            f"'like' is a store or the folder of a finished run, but '{path}' has no "
            f'{MODEL}'
        )
    about = read_about(path / MODEL)
    recorded = {m: v.get('fitted') for m, v in about['modalities'].items()}
    specs = {
        m: ModalitySpec(
            v['channels'],
            v['kind'],
            v['extractor'],
            num_embeddings=v.get('num_embeddings'),
        )
        for m, v in about['modalities'].items()
    }
    names, left_out = tuple(about['label_names']), tuple(about['left_out'])
    above = about['data'].get(POSITIVE_ABOVE)
    fitted: dict[str, Fitted] = {}
    fill: dict[str, NDArray] = {}
    if (path / ENCODERS).is_file():
        fitted, fill = read_encoders(path / ENCODERS)
    for modality, sha256 in recorded.items():
        found = fitted[modality].sha256 if modality in fitted else None
        if found != sha256:
            raise InputError(
                f"the model in '{path}' learned from the encoder {_name(sha256)} of "
                f"'{modality}', but '{ENCODERS}' there has {_name(found)}: both files "
                f'are of one run'
            )
    return Like(path, specs, names, fitted, fill, left_out, above)


def _number(value: Any, path: str | os.PathLike[str]) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise InputError(f"'{POSITIVE_ABOVE}' of '{path}' is a number (got {value!r})")
    return float(value)


def _plain(name: str) -> str:
    return unicodedata.normalize('NFKC', name).casefold()


def _name(sha256: str | None) -> str:
    return 'none' if sha256 is None else short(sha256)
