"""What ``model.json`` of a run says of its model and its data."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import Finite, Within, check_plain, read_json
from hetero_mmer.schema import Kind, check_label_names, check_modality_names
from hetero_mmer.spec import PlainSpec

FORMAT_VERSION = 1

Size = Annotated[int, Within(1, 2**31 - 1)]
Share = Annotated[float, Within(0, 1)]


class Scale(TypedDict):
    """Of the columns of a modality that is standardised."""

    mean: list[Finite]
    std: list[Annotated[float, Within(0, 1e300)]]


class Modality(TypedDict):
    """What the items of a modality are; version 0.1 kept less."""

    channels: Size
    num_embeddings: NotRequired[Size | None]
    kind: Kind
    extractor: str
    fitted: NotRequired[str | None]
    scale: Scale | None


#: What was tuned on valid.
Thresholds = TypedDict('Thresholds', {'tuned': Share, 'per-label': dict[str, Share]})


class Data(TypedDict):
    """What the model learned from."""

    name: str
    sha256: str
    positive_above: NotRequired[Finite | None]
    split_file: NotRequired[str | None]
    fold: NotRequired[int | None]
    split_sha256: NotRequired[str | None]


class About(TypedDict):
    """All of it."""

    format_version: int
    model: PlainSpec
    label_names: list[str]
    modalities: dict[str, Modality]
    skip_empty: bool
    left_out: list[str]
    label_graph: list[list[int]] | None
    label_vectors: NotRequired[list[list[Finite]] | None]
    label_relations: NotRequired[list[list[Finite]] | None]
    threshold: Share | Literal['tuned', 'per-label']
    thresholds: Thresholds
    best_epoch: int
    weights_sha256: NotRequired[str]
    data: Data
    versions: dict[str, str | None]


def read_about(path: Path) -> dict[str, Any]:
    """Reads ``model.json`` of a run.

    Args:
        path: The file.

    Raises:
        InputError: If it is damaged, or one of its values is none that a run writes.
    """
    about, where = read_json(path), f"'{path}'"
    version = about.get('format_version') if isinstance(about, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        got = reprlib.repr(version)
        raise InputError(f'{where} has format version {FORMAT_VERSION} (got {got})')
    check_plain(about, About, where)
    labels = about['label_names']
    try:
        check_label_names(labels)
        check_modality_names(about['modalities'])
    except InputError as error:
        raise InputError(f'{where} is damaged: {error}') from error
    for name, modality in about['modalities'].items():
        key = f"'modalities.{name}.scale' in {where}"
        for values in (modality['scale'] or {}).values():
            if len(values) != modality['channels']:
                raise InputError(
                    f'{key} has a value for each of {modality["channels"]} channels '
                    f'(got {len(values)})'
                )
    tuned = about['thresholds']['per-label']
    if missing := [name for name in labels if name not in tuned]:
        raise InputError(f'{where} has no tuned threshold of the label {missing[0]!r}')
    _check_edges(about['label_graph'], len(labels), where)
    return about


def _check_edges(edges: list[list[int]] | None, labels: int, where: str) -> None:
    if edges is None:
        return
    ends = [end for row in edges for end in row]
    if len(edges) != 2 or len(edges[0]) != len(edges[1]):
        raise InputError(f"'label_graph' in {where} is two lists of equal length")
    if ends and not 0 <= min(ends) <= max(ends) < labels:
        raise InputError(
            f"'label_graph' in {where} joins labels 0 to {labels - 1} "
            f'(got {min(ends)} to {max(ends)})'
        )
