"""Which split a video belongs to, from the files that data sets come with."""

from __future__ import annotations

import ast
import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hetero_mmer.sources.common import existing
from hetero_mmer.typing import InputError

#: The names of a split, as files spell them.
_SPELLINGS: Final = {
    'train': 'train',
    'training': 'train',
    'valid': 'valid',
    'validation': 'valid',
    'val': 'valid',
    'dev': 'valid',
    'test': 'test',
    'testing': 'test',
}


def read_folds(path: str | os.PathLike[str]) -> dict[str, str]:
    """The split of each video.

    Args:
        path: The SDK's ``cmu_mosei_std_folds.py`` (three lists of ids; it is parsed,
            nothing in it runs), a JSON ``{"train": [...], "valid": [...], "test":
            [...]}``, or a CSV with the columns ``id`` and ``split``.

    Raises:
        InputError: For anything else, or a video in two splits.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), 'folds.py')
        >>> _ = path.write_text("train_fold = ['a', 'b']\\ntest_fold = ['c']")
        >>> read_folds(path)
        {'a': 'train', 'b': 'train', 'c': 'test'}
    """
    path = existing(path)
    readers = {'.py': _python_lists, '.json': _json_lists, '.csv': _csv_rows}
    if path.suffix.lower() not in readers:
        raise InputError(f"folds are a .py, .json or .csv file (got '{path}')")
    try:
        text = path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the folds in '{path}' ({error})") from error
    folds: dict[str, str] = {}
    for video, split in readers[path.suffix.lower()](text, path):
        if folds.setdefault(video, split) != split:
            raise InputError(
                f"a video is in one split, but '{video}' is in '{folds[video]}' and "
                f"'{split}' in '{path}'"
            )
    if not folds:
        raise InputError(f"'{path}' has no lists of videos for train, valid and test")
    return folds


def _python_lists(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """The literal lists assigned to names such as ``standard_train_fold``."""
    try:
        tree = ast.parse(text, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"'{path}' is not Python ({error})") from error
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            continue
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        words = {word for name in names for word in name.lower().split('_')}
        splits = {_SPELLINGS[word] for word in words & set(_SPELLINGS)}
        if len(splits) != 1:
            continue
        try:
            videos = ast.literal_eval(node.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            videos = None  # Something that would have to run.
        yield from _listed(videos, splits.pop(), names[0], path)


def _json_lists(text: str, path: Path) -> Iterator[tuple[str, str]]:
    try:
        lists = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is not JSON ({error})") from error
    if not isinstance(lists, dict):
        raise InputError(
            f'folds are lists by name, {{"train": [...], ...}}, but '
            f"'{path}' holds a {type(lists).__name__}"
        )
    for name, videos in lists.items():
        yield from _listed(videos, _split_of(name, path), name, path)


def _csv_rows(text: str, path: Path) -> Iterator[tuple[str, str]]:
    try:
        reader = csv.DictReader(text.splitlines())
        if not {'id', 'split'} <= set(reader.fieldnames or ()):
            raise InputError(
                f"folds have the columns 'id' and 'split', but '{path}' has "
                f'{reader.fieldnames or "none"}'
            )
        for row in reader:
            yield row['id'], _split_of(row['split'], path)
    except csv.Error as error:
        raise InputError(f"'{path}' is not a CSV ({error})") from error


def _listed(
    videos: Any, split: str, name: str, path: Path
) -> Iterator[tuple[str, str]]:
    is_list = isinstance(videos, (list, tuple))
    if not is_list or not all(isinstance(video, str) for video in videos):
        raise InputError(f"'{name}' in '{path}' is not a plain list of video ids")
    yield from ((video, split) for video in videos)


def _split_of(name: object, path: Path) -> str:
    split = _SPELLINGS.get(str(name).strip().lower())
    if split is None:
        raise InputError(f"a split is train, valid or test (got '{name}' in '{path}')")
    return split
