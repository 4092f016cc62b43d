from __future__ import annotations

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hetero_mmer.errors import InputError
from hetero_mmer.features.fitted import Fitted
from hetero_mmer.features.masked import refuse_masked
from hetero_mmer.files.output import claim, temporary_beside, writing
from hetero_mmer.io.safe_h5 import write_format, write_text
from hetero_mmer.schema import UNKNOWN, check_label_names, check_modality_names
from hetero_mmer.store.checksum import write_checksums
from hetero_mmer.store.column import Column, ColumnStatistics, replace_non_finite
from hetero_mmer.store.create import Disk, create
from hetero_mmer.store.fitted import write_fitted
from hetero_mmer.store.format import (
    FORMAT,
    LARGEST,
    SPLITS,
    VERSION,
    VERSION_WITH_UNKNOWN,
    Clean,
    ModalitySpec,
    unseen,
    write_strings,
)
from hetero_mmer.store.items import (
    check_names,
    check_segment,
    check_span,
    numbers,
    write_names,
)
from hetero_mmer.store.like import Like
from hetero_mmer.store.place import check_store_path
from hetero_mmer.store.report import report_of_dropped


class NoSampleError(InputError):
    """No sample is left for a store.

    Args:
        message: What to say.
        report: What was dropped and why, in Markdown.
    """

    def __init__(self, message: str, report: str) -> None:
        super().__init__(message)
        self.report = report


class StoreWriter:
    """Writes a store sample by sample; the file appears whole or not at all.

    ``attrs`` is a dictionary for anything else about the data set that can be JSON;
    ``raw_sha256`` may be filled in until the end.

    Args:
        path: The file to write; a store that is there is replaced at the end.
        modalities: What each modality is.
        label_names: Names of the labels.
        source: Where the data come from.
        licence: Under which terms.
        citation: The paper to cite.
        raw_sha256: The SHA-256 of each raw file by name.
        clean: What replaces values that are not finite: ``zero``, or the ``mean`` of
            their column in the train split (in all samples if there is none; 0 if the
            split has no value of the column). Without it, such values are refused.
        float16: Store features in half precision.
        labelled: Whether samples have labels, known or unknown.
        timed: The modalities whose items have a start and an end.
        segmented: The modalities whose items belong to segments.
        named: The modalities whose items have names.
        intensities: Whether samples have label intensities.
        strict: Whether to refuse the first sample that would be dropped.
        fitted: What the encoder of a modality learned, kept with the store.
        like: What modalities, labels and encoders have to be like.

    Raises:
        InputError: For a description that contradicts itself or ``like``, for another
            file of this name or one that another process writes, and, at the end, for
            no samples at all or values that are not finite.

    Example:
        >>> import tempfile
        >>> from hetero_mmer.store import Store
        >>> path = f'{tempfile.mkdtemp()}/toy.h5'
        >>> with StoreWriter(path, {'text': ModalitySpec(3)}, ['joy', 'anger']) as w:
        ...     w.add('clip-1', {'text': np.ones((5, 3))}, [1, 0], split='train')
        >>> Store(path)
        Store(1 sample, text=3, labels=['joy', 'anger'])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        modalities: Mapping[str, ModalitySpec],
        label_names: Sequence[str],
        *,
        source: str = '',
        licence: str = '',
        citation: str = '',
        raw_sha256: Mapping[str, str] | None = None,
        clean: Clean | None = None,
        float16: bool = False,
        labelled: bool = True,
        timed: Collection[str] = (),
        segmented: Collection[str] = (),
        named: Collection[str] = (),
        intensities: bool = False,
        strict: bool = False,
        fitted: Mapping[str, Fitted] | None = None,
        like: Like | None = None,
    ) -> None:
        if not modalities:
            raise InputError('a store has at least one modality (got none)')
        check_modality_names(modalities)
        names = list(label_names if like is None else like.called(label_names))
        check_label_names(names)
        if clean not in (None, *get_args(Clean)):
            raise InputError(f"'clean' is one of {get_args(Clean)} (got '{clean}')")
        for option, given in (
            ('timed', timed),
            ('segmented', segmented),
            ('named', named),
        ):
            if unknown := sorted(set(given) - set(modalities)):
                raise InputError(
                    f"'{option}' names modalities of the store (got {unknown})"
                )
        self.path = Path(path)
        self.fitted = dict(fitted or {})
        self.like = like
        if like is not None:
            like.check(modalities, tuple(names), self.fitted, clean)
            if self.path.exists() and self.path.samefile(like.path):
                raise InputError(
                    f"the store to write is another than '{like.path}', which samples "
                    f'are to be like'
                )
        self.modalities = dict(modalities)
        self.label_names = tuple(names)
        self.clean = clean
        self.strict = strict
        self.labelled = labelled
        self.has_intensities = intensities
        self.timed = tuple(m for m in modalities if m in set(timed))
        self.segmented = tuple(m for m in modalities if m in set(segmented))
        self.named = tuple(m for m in modalities if m in set(named))
        self.dtype = np.dtype(np.float16 if float16 else np.float32)
        self.raw_sha256 = dict(raw_sha256 or {})
        self.attrs: dict[str, Any] = {}
        if like is not None:
            self.note(like.note())
        self._about = {
            'modalities': {m: asdict(spec) for m, spec in self.modalities.items()},
            'label_names': names,
            'source': source,
            'licence': licence,
            'citation': citation,
            'clean': clean,
        }
        self._ids: dict[str, None] = {}
        self._groups: list[str] = []
        self._split: list[str] = []
        self._split_of_group: dict[str, str] = {}
        self._labels: list[NDArray[np.uint8]] = []
        self._intensities: list[NDArray[np.float32]] = []
        self._dropped: list[tuple[str, str]] = []
        self._extra: dict[str, NDArray] = {}
        self._lengths: dict[str, list[int]] = {m: [] for m in self.modalities}
        self._non_finite: dict[str, list[int]] = {m: [] for m in self.modalities}
        self._statistics = {  # Ids are names: they have no mean and no range.
            m: ColumnStatistics(spec.channels)
            for m, spec in self.modalities.items()
            if spec.num_embeddings is None
        }
        self._values: dict[str, Column] = {}
        self._times: dict[str, Column] = {}
        self._segments: dict[str, Column] = {}
        self._names: dict[str, list[bytes]] = {m: [] for m in self.named}
        self._disk: Disk | None = None
        self._file: h5py.File | None = None
        self._entered = False
        self._temporary = temporary_beside(self.path)
        self._claim = contextlib.ExitStack()

    def __enter__(self) -> StoreWriter:
        if self._entered:
            raise InputError(f"a writer writes one store (got '{self.path}' again)")
        self._entered = True
        check_store_path(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._claim.enter_context(claim(self.path))
            self._disk = Disk(self._temporary)
            self._file = create(self._disk)
            features = self._file.create_group('features')
            for modality, spec in self.modalities.items():
                group = features.create_group(modality)
                self._values[modality] = Column(
                    group, 'values', spec.channels, self._dtype_of(modality)
                )
                if modality in self.timed:
                    self._times[modality] = Column(group, 'time', 2, np.float64)
                if modality in self.segmented:
                    column = Column(group, 'segment', None, np.int32)
                    self._segments[modality] = column
        except OSError as error:
            self._abort()
            raise InputError(f"cannot write '{self.path}': {error}") from error
        except BaseException:
            self._abort()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                with writing(self.path):
                    self._commit()
        finally:
            self._abort()  # Finds nothing to undo after a commit.

    def __len__(self) -> int:
        return len(self._ids)

    def add(
        self,
        sample_id: str,
        features: Mapping[str, ArrayLike | None],
        labels: ArrayLike | None = None,
        *,
        group: str | None = None,
        split: str = '',
        intensities: ArrayLike | None = None,
        times: Mapping[str, ArrayLike | None] | None = None,
        segments: Mapping[str, ArrayLike | None] | None = None,
        names: Mapping[str, Sequence[str] | None] | None = None,
    ) -> None:
        """Adds one sample; after a refusal the writer is as it was before.

        Args:
            sample_id: Its name, which no other sample has.
            features: The items of each modality, [S, F], or ids, [S] or [S, 1]; a
                modality that is absent, None or has no rows is missing.
            labels: The labels, [L] of zeros and ones, or of 255 alone where they are
                unknown, as of a test split whose makers keep them.
            group: What folds and splits never take apart, such as its video; the
                sample alone if None.
            split: ``train``, ``valid``, ``test``, or empty for none.
            intensities: The intensity of each label, [L]; None where labels are
                unknown.
            times: Start and end of the items in seconds, [S, 2], for timed modalities.
            segments: The segment of each item, [S] from 0, for segmented modalities:
                the comment that a word belongs to.
            names: What each item is called, [S], for named modalities: the word, the
                comment, the frame. The first 240 bytes of each are kept.

        Raises:
            InputError: For anything in the sample that contradicts the store.
        """
        if self._file is None:
            raise InputError("samples are added inside 'with StoreWriter(...) as w:'")
        sample_id = self._check_id(sample_id)
        group = sample_id if group is None else _text('group', group, sample_id)
        if split not in SPLITS:
            raise InputError(
                f"'split' of sample '{sample_id}' is one of {SPLITS} (got '{split}')"
            )
        other = self._split_of_group.get(group, '')
        if split and other and other != split:
            raise InputError(
                f"a group lies in one split, but '{group}' is in '{other}' and, with "
                f"sample '{sample_id}', in '{split}'"
            )
        arrays = self._check_features(sample_id, features)
        check = partial(self._per_item, sample_id, arrays)
        spans = check('times', times, self.timed, check_span)
        parts = check('segments', segments, self.segmented, check_segment)
        called = check('names', names, self.named, check_names)
        y = self._check_labels(sample_id, labels)
        known = y is None or bool((y != UNKNOWN).all())
        strength = self._check_intensities(sample_id, intensities, known)

        self._ids[sample_id] = None
        self._groups.append(group)
        self._split.append(split)
        if split:
            self._split_of_group[group] = split
        if y is not None:
            self._labels.append(y)
        if strength is not None:
            self._intensities.append(strength)
        for modality in self.modalities:
            array = arrays.get(modality)
            self._lengths[modality].append(0 if array is None else len(array))
            count = 0
            if array is not None:
                if modality in self._statistics:
                    statistics = self._statistics[modality]
                    count = statistics.update(array, is_train=split == 'train')
                self._values[modality].append(array)
            self._non_finite[modality].append(count)
        for modality, span in spans.items():
            self._times[modality].append(span)
        for modality, part in parts.items():
            self._segments[modality].append(part)
        for modality, some in called.items():
            self._names[modality] += some
        if self._disk is not None:
            with writing(self.path):
                self._disk.check()

    def drop(self, sample_id: str, reason: str) -> None:
        """Records a sample that is left out, and why.

        Args:
            sample_id: Its name.
            reason: One sentence.

        Raises:
            InputError: If the writer is strict.
        """
        if self.strict:
            raise InputError(f"no sample is dropped, but '{sample_id}' is: {reason}")
        sample_id = _text('id', sample_id, sample_id)
        self._dropped.append((sample_id, _text('reason', reason, sample_id)))

    def note(self, sentence: str) -> None:
        """Keeps what a reader of the store's report should know, under ``notes``.

        Args:
            sentence: One sentence.
        """
        self.attrs.setdefault('notes', []).append(sentence)

    def extra(self, name: str, array: ArrayLike) -> None:
        """Keeps another array with one row per sample, under ``extra/<name>``.

        Args:
            name: Letters, digits, ``_`` and ``-``.
            array: Numbers, [N, ...].

        Raises:
            InputError: For a name or an array that cannot be stored.
        """
        if not name.replace('_', '').replace('-', '').isalnum():
            raise InputError(
                f"the name of an extra array is made of letters, digits, '_' and '-' "
                f"(got '{name}')"
            )
        refuse_masked(array, f"values of the extra array '{name}'")
        data = np.array(array)
        if data.dtype.kind not in 'biuf' or data.ndim < 1:
            raise InputError(
                f"the extra array '{name}' holds numbers, one row per sample "
                f"(got shape {data.shape} of type '{data.dtype}')"
            )
        self._extra[name] = data

    def _check_id(self, sample_id: str) -> str:
        sample_id = _text('id', sample_id, sample_id)
        if not sample_id:
            raise InputError(f'the id of sample {len(self)} is empty')
        if sample_id in self._ids:
            raise InputError(f"sample ids are unique (got '{sample_id}' twice)")
        return sample_id

    def _check_features(
        self, sample_id: str, features: Mapping[str, ArrayLike | None]
    ) -> dict[str, NDArray]:
        if unknown := [m for m in features if m not in self.modalities]:
            raise InputError(
                f"the modalities are {list(self.modalities)} (got '{unknown[0]}' in "
                f"sample '{sample_id}')"
            )
        arrays = {}
        for modality, data in features.items():
            if data is None:
                continue
            array = numbers(data, f"'{modality}' of sample '{sample_id}'")
            if array.size == 0 and array.shape[:1] == (0,):
                continue
            if self.modalities[modality].num_embeddings is not None:
                arrays[modality] = self._check_ids(sample_id, modality, array)
                continue
            channels = self.modalities[modality].channels
            if array.ndim != 2 or array.shape[1] != channels:
                raise InputError(
                    f"'{modality}' has items of width {channels}, [S, {channels}] "
                    f"(got shape {list(array.shape)} in sample '{sample_id}')"
                )
            with np.errstate(over='ignore', invalid='ignore'):
                cast = array.astype(self.dtype, copy=False)
            if cast is not array and (np.isfinite(array) > np.isfinite(cast)).any():
                raise InputError(
                    f"'{modality}' of sample '{sample_id}' has values too large for "
                    f'{self.dtype} (up to {np.nanmax(np.abs(array)):g})'
                )
            arrays[modality] = cast
        if not arrays:
            raise InputError(
                f"a sample has at least one item, but '{sample_id}' has none in any of "
                f'{list(self.modalities)}'
            )
        return arrays

    def _check_ids(
        self, sample_id: str, modality: str, array: NDArray
    ) -> NDArray[np.int32]:
        size = self.modalities[modality].num_embeddings
        assert size is not None
        flat = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
        if array.dtype.kind not in 'iu' or not flat:
            raise InputError(
                f"'{modality}' has integer ids, [S] or [S, 1] (got shape "
                f"{list(array.shape)} of type '{array.dtype}' in sample '{sample_id}')"
            )
        if array.min() < 0 or array.max() >= size:
            raise InputError(
                f"'{modality}' has ids from 0 to {size - 1} (got {array.min()} to "
                f"{array.max()} in sample '{sample_id}')"
            )
        return array.reshape(-1, 1).astype(np.int32)

    def _per_item(
        self,
        sample_id: str,
        arrays: Mapping[str, NDArray],
        what: str,
        given: Mapping[str, Any] | None,
        modalities: Sequence[str],
        check: Callable[[Any, int, str], Any],
    ) -> dict[str, Any]:
        """Facts of each item, checked, of those modalities that the sample has."""
        if unknown := [m for m in given or () if m not in modalities]:
            raise InputError(
                f"'{what}' are for {list(modalities)} (got '{unknown[0]}' in sample "
                f"'{sample_id}')"
            )
        return {
            m: check(
                (given or {}).get(m),
                len(arrays[m]),
                f"{what} of '{m}' in sample '{sample_id}'",
            )
            for m in modalities
            if m in arrays
        }

    def _check_labels(
        self, sample_id: str, labels: ArrayLike | None
    ) -> NDArray[np.uint8] | None:
        if labels is None and not self.labelled:
            return None
        if labels is None or not self.labelled:
            expected, got = ('has', 'none') if self.labelled else ('has no', 'some')
            raise InputError(
                f'a sample {expected} labels in this store (got {got} for '
                f"'{sample_id}')"
            )
        y = numbers(labels, f"labels of sample '{sample_id}'")
        right = y.shape == (len(self.label_names),)
        right = right and bool(((y == 0) | (y == 1)).all() or (y == UNKNOWN).all())
        if not right:
            raise InputError(
                f"the labels of sample '{sample_id}' are {len(self.label_names)} zeros "
                f'and ones, or {UNKNOWN} each if all are unknown (got '
                f'{np.array2string(y, threshold=12)})'
            )
        return y.astype(np.uint8)

    def _check_intensities(
        self, sample_id: str, intensities: ArrayLike | None, known: bool
    ) -> NDArray[np.float32] | None:
        if intensities is None and not self.has_intensities:
            return None
        num_labels = len(self.label_names)
        if not known and intensities is None:
            return np.full(num_labels, np.nan, np.float32)
        if not known:
            raise InputError(
                f"sample '{sample_id}', whose labels are unknown, has no intensities "
                f'(got {np.array2string(np.asarray(intensities), threshold=12)})'
            )
        strength = numbers(intensities, f"intensities of sample '{sample_id}'")
        with np.errstate(over='ignore'):  # What is too large is not finite then.
            strength = strength.astype(np.float32)
        if (
            not self.has_intensities
            or strength.shape != (num_labels,)
            or not np.isfinite(strength).all()
        ):
            expected = (
                f'{num_labels} finite numbers' if self.has_intensities else 'not stored'
            )
            raise InputError(
                f"the intensities of sample '{sample_id}' are {expected} "
                f'(got {np.array2string(strength, threshold=12)})'
            )
        return strength

    def _commit(self) -> None:
        assert self._file is not None
        assert self._disk is not None
        file, num_samples = self._file, len(self)
        if not num_samples:
            raise no_sample(self.path, self._dropped, self.attrs.get('notes', ()))
        if len(self._dropped) > num_samples:
            self.note(
                f'WARNING: most samples are dropped, {len(self._dropped)} of '
                f'{num_samples + len(self._dropped)}{most_frequent(self._dropped)}'
            )
        for statistics in self._statistics.values():
            statistics.has_train = 'train' in self._split
        for modality, column in self._values.items():
            column.flush()
            self._finish_modality(file['features'][modality], modality, column)
        for column in (*self._times.values(), *self._segments.values()):
            column.flush()
        for modality, names in self._names.items():
            write_names(file['features'][modality], names)
        known = self._known()
        if self.labelled and known.any():
            file['labels'] = np.stack(self._labels)
        if self.has_intensities and (known.any() or not self.labelled):
            file['intensities'] = np.stack(self._intensities)
        if self.labelled and not known.all():
            self.note(_unknown(np.array(self._split)[~known]))
        write_strings(file, 'ids', list(self._ids))
        write_strings(file, 'groups', self._groups)
        write_strings(file, 'split', self._split)
        dropped = file.create_group('dropped')
        write_strings(dropped, 'ids', [sample_id for sample_id, _ in self._dropped])
        write_strings(dropped, 'reasons', [reason for _, reason in self._dropped])
        extra = file.create_group('extra')
        for name, array in self._extra.items():
            if len(array) != num_samples:
                raise InputError(
                    f"the extra array '{name}' has one row for each of the "
                    f'{num_samples} samples (got {len(array)})'
                )
            extra[name] = array
        write_fitted(file, self.fitted)
        about = {**self._about, 'raw_sha256': self.raw_sha256}
        write_text(file, 'attrs', _json('attrs', self.attrs))
        write_text(file, 'about', _json('about', about))
        values = {f'features/{m}/values': c for m, c in self._values.items()}
        values |= {f'features/{m}/time': c for m, c in self._times.items()}
        values |= {f'features/{m}/segment': c for m, c in self._segments.items()}
        write_checksums(file, {name: c.checksum for name, c in values.items()})
        some = known.any() and not known.all()
        write_format(file, FORMAT, VERSION_WITH_UNKNOWN if some else VERSION)
        file.close()
        self._file = None
        self._disk.check()
        self._disk.close()
        _sync(self._temporary)
        os.replace(self._temporary, self.path)
        _sync(self.path.parent)

    def _known(self) -> NDArray[np.bool_]:
        """Whether the labels of a sample are known, [N]."""
        if not self.labelled:
            return np.zeros(len(self), bool)
        return np.array([y[0] != UNKNOWN for y in self._labels])

    def _finish_modality(
        self, group: h5py.Group, modality: str, column: Column
    ) -> None:
        group['ptr'] = np.cumsum([0, *self._lengths[modality]], dtype=np.int64)
        if modality not in self._statistics:
            return
        statistics = self._statistics[modality]
        statistics.flush()
        fill = self._fill(modality)
        if self.clean == 'mean':
            group['fill'] = fill
        if count := int(statistics.non_finite.sum()):
            if self.clean is None:
                where = np.flatnonzero(statistics.non_finite)
                raise InputError(
                    f"values are finite, but '{modality}' has {count} that are not, "
                    f'in {len(where)} of {len(statistics.non_finite)} dimensions (the '
                    f'first is {where[0]}): clean them with '
                    f"`clean='zero'` or `clean='mean'`"
                )
            dirty = np.flatnonzero(statistics.non_finite)
            cleaned = group.create_dataset(
                'cleaned', (len(column.dataset), -(-len(dirty) // 8)), np.uint8
            )
            replace_non_finite(column, fill, dirty, cleaned)
            statistics.widen(fill)
        group['minimum'] = statistics.minimum
        group['maximum'] = statistics.maximum
        group['non_finite'] = statistics.non_finite
        group['non_finite_of_sample'] = np.array(self._non_finite[modality], np.int64)
        group['mean'], group['std'] = statistics.mean, statistics.std
        if len(statistics.unseen):
            group['unseen'] = statistics.unseen
            self.note(unseen(modality, statistics.unseen, self.modalities[modality]))
        largest = max(-statistics.minimum.min(), statistics.maximum.max())
        if largest > LARGEST:
            self.note(
                f"'{modality}' has values up to {largest:.3g} in size; no model "
                f'computes with more than {LARGEST:g}, unless standardising makes it '
                'small'
            )

    def _fill(self, modality: str) -> NDArray[np.float64]:
        """What stands for a non-finite value, [F]."""
        if self.like is not None and modality in self.like.fill:
            return self.like.fill[modality]
        return self._statistics[modality].fill(self.clean or 'zero')

    def _dtype_of(self, modality: str) -> np.dtype:
        ids = self.modalities[modality].num_embeddings is not None
        return np.dtype(np.int32) if ids else self.dtype

    def _abort(self) -> None:
        file, self._file = self._file, None
        try:
            with contextlib.suppress(Exception):  # What went wrong is known.
                if file is not None:
                    file.close()
                if self._disk is not None:
                    self._disk.close()
        finally:
            with contextlib.suppress(OSError):  # It may never have been there.
                self._temporary.unlink()
            self._claim.close()


def no_sample(
    path: Path, dropped: Sequence[tuple[str, str]], notes: Iterable[str] = ()
) -> NoSampleError:
    """What to raise where all samples of a store are dropped.

    Args:
        path: The store that was to be written.
        dropped: The id of each, and why it is dropped.
        notes: What else a reader of the report should know.
    """
    return NoSampleError(
        f"a store has at least one sample (got none for '{path}', {len(dropped)} "
        f'dropped{most_frequent(dropped)})',
        report_of_dropped(path.name, notes, dropped),
    )


def most_frequent(dropped: Sequence[tuple[str, str]]) -> str:
    """The end of a sentence on samples that are dropped: why most of them are.

    Reasons are of one kind if they differ in names and numbers alone.

    Args:
        dropped: The id of each, and why it is dropped.

    Example:
        >>> most_frequent([('a', 'no text'), ('b', "no 'x'"), ('c', "no 'y'")])
        ", 2 of them like 'b': no 'x'"
    """
    if not dropped:
        return ''
    kinds = [re.sub(r"'[^']*'|\d[\d.]*", '_', reason) for _, reason in dropped]
    ((kind, count),) = Counter(kinds).most_common(1)
    sample_id, reason = dropped[kinds.index(kind)]
    return f", {count} of them like '{sample_id}': {reason}"


def _text(what: str, text: str, sample_id: object) -> str:
    if not isinstance(text, str) or '\0' in text:
        raise InputError(
            f'the {what} of a sample is a string without a null character '
            f'(got {text!r} for sample {sample_id!r})'
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f'the {what} of a sample is Unicode text (got {text!r} for sample '
            f'{sample_id!r})'
        ) from error
    return text


def _unknown(splits: NDArray[np.str_]) -> str:
    """A sentence about samples whose labels are unknown."""
    counts = {split: int((splits == split).sum()) for split in SPLITS}
    found = ', '.join(f'{n} in {s or "no split"}' for s, n in counts.items() if n)
    return f'labels of {len(splits)} samples are unknown: {found}'


def _json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"the attribute '{name}' cannot be JSON: {error}") from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
