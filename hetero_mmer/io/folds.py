"""Which split a video belongs to, from the files that data sets come with."""

from __future__ import annotations

import ast
import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hetero_mmer.errors import InputError
from hetero_mmer.files.input import existing
from hetero_mmer.files.plain import parse_json
from hetero_mmer.io.split_names import one_spelling, split_of, split_words
from hetero_mmer.io.text_file import read_text


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
        text = read_text(path)
    except InputError as error:
        raise InputError(f'cannot read the folds: {error}') from error
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
    known: dict[str, str] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        words = {word for name in names for word in split_words(name)}
        # In a longer name, two letters may stand for anything.
        long = [word for word in words if len(word) > 2 or len(words) == 1]
        splits = {split for word in long if (split := split_of(word))}
        if len(splits) != 1:
            continue
        split = splits.pop()
        if split in known:
            raise _twice(split, known[split], names[0], path)
        known[split] = names[0]
        try:
            videos = ast.literal_eval(node.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            videos = None  # Something that would have to run.
        yield from _listed(videos, split, names[0], path)


def _json_lists(text: str, path: Path) -> Iterator[tuple[str, str]]:
    try:
        lists = parse_json(text)
    except ValueError as error:
        raise InputError(f"'{path}' is not JSON ({error})") from error
    if not isinstance(lists, dict):
        raise InputError(
            f'folds are lists by name, {{"train": [...], ...}}, but '
            f"'{path}' holds a {type(lists).__name__}"
        )
    known: dict[str, str] = {}
    for name, videos in lists.items():
        split = _split_of(name, path)
        if split in known:
            raise _twice(split, known[split], name, path)
        known[split] = name
        yield from _listed(videos, split, name, path)


def _csv_rows(text: str, path: Path) -> Iterator[tuple[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        if names.count('id') != 1 or names.count('split') != 1:
            raise InputError(
                f"folds have the columns 'id' and 'split', but '{path}' has "
                f'{reader.fieldnames or "none"}'
            )
        reader.fieldnames = names
        rows = [(row['id'].strip(), row['split']) for row in reader]
    except csv.Error as error:
        raise InputError(f"'{path}' is not a CSV ({error})") from error
    splits = [_split_of(split, path) for _, split in rows]
    one_spelling([split for _, split in rows], f"'split' of '{path}'")
    yield from zip((video for video, _ in rows), splits, strict=True)


def _listed(
    videos: Any, split: str, name: str, path: Path
) -> Iterator[tuple[str, str]]:
    is_list = isinstance(videos, (list, tuple))
    if not is_list or not all(isinstance(video, str) for video in videos):
        raise InputError(f"'{name}' in '{path}' is not a plain list of video ids")
    yield from ((video, split) for video in videos)


def _split_of(name: object, path: Path) -> str:
    split = split_of(name)
    if split is None:
        raise InputError(f"a split is train, valid or test (got '{name}' in '{path}')")
    return split


def _twice(split: str, one: str, other: str, path: Path) -> InputError:
    return InputError(
        f"'{path}' has one list for each of train, valid and test, but '{one}' and "
        f"'{other}' both stand for '{split}'"
    )
