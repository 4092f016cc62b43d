"""Which ``.csd`` file is the text, the visual, the audio, the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hetero_mmer.errors import InputError
from hetero_mmer.files.input import Source, existing
from hetero_mmer.io.csd import CsdFile, plain_name
from hetero_mmer.store.structure import check_structure

#: What a file holds, by what its root is called (in small letters and digits).
ROLES: Final = {
    'text': ('glove', 'wordvectors', 'bert'),
    'visual': ('facet', 'openface'),
    'audio': ('covarep', 'opensmile'),
    'labels': ('labels',),
    'words': ('words',),
}


def find_roles(
    sources: Sequence[Source], chosen: Mapping[str, str | None]
) -> tuple[dict[str, Path], list[str]]:
    """Which file is the text, which the visual, the audio, the labels, the words.

    Args:
        sources: Files, or folders of ``.csd`` files.
        chosen: A file or the name of a root for each role that was chosen by hand.

    Returns:
        The files by role, and a sentence about each file of a folder that is not used.

    Raises:
        InputError: For a role that two files could have, or a file that could have
            none.
    """
    paths, listed = _files(sources)
    by_name = [Path(v) for v in chosen.values() if v is not None and Path(v).is_file()]
    check_structure([*paths, *by_name])
    roots, of_words = {}, set()
    for path in paths:
        with CsdFile(path, words=True) as file:
            roots[path] = file.root
            of_words |= {path} if file.holds_words else set()
    found: dict[str, Path] = {}
    for role, value in chosen.items():
        if value is not None:
            found[role] = _chosen(role, value, roots)
    taken = {path.resolve() for path in found.values()}
    unused = []
    for path, root in roots.items():
        if path.resolve() in taken:
            continue
        plain = plain_name(root)
        role = next((r for r in ROLES if any(name in plain for name in ROLES[r])), '')
        role = '' if role == 'words' and path not in of_words else role
        if not role and path in listed:
            raise InputError(
                f"the root '{root}' of '{path}' is not known: say what it is with "
                f"{', '.join(f'`{name}=`' for name in ROLES)} '{root}'"
            )
        if not role or chosen.get(role) is not None:
            unused.append(f"'{path}' (root '{root}') is not used")
        elif role in found:
            raise InputError(
                f"the {role} is one file, but '{found[role]}' and '{path}' could both "
                f'be it: choose one with '
                f'`{role}={roots[found[role]]!r}` or `{role}={root!r}`'
            )
        else:
            found[role] = path
    return found, unused


def _files(sources: Sequence[Source]) -> tuple[list[Path], set[Path]]:
    """All files, and those that were given by name."""
    paths: list[Path] = []
    listed = set()
    for source in map(existing, sources):
        inside = sorted(source.glob('*.csd')) if source.is_dir() else [source]
        if not inside:
            raise InputError(f"the folder '{source}' has no .csd file")
        paths += inside
        listed |= set() if source.is_dir() else {source}
    return paths, listed


def _chosen(role: str, value: str, roots: Mapping[Path, str]) -> Path:
    if Path(value).is_file():
        return Path(value)
    paths = [
        path for path, root in roots.items() if plain_name(root) == plain_name(value)
    ]
    if len(paths) != 1:
        raise InputError(
            f"`{role}=` is a file or the root of one (got '{value}', the roots are "
            f'{sorted(roots.values())})'
        )
    return paths[0]
