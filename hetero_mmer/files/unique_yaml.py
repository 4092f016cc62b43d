"""YAML whose keys are unique: of two equal ones, the first would vanish silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from hetero_mmer.errors import InputError
from hetero_mmer.files.plain import read_text

#: Bytes of a file of options, which PyYAML reads in seconds.
LARGEST: Final = 2**18

#: Values of a file, each as often as aliases repeat it.
_MOST_VALUES: Final = 10**5


def read_yaml(path: Path, what: str = '') -> Any:
    """What a YAML file holds.

    Args:
        path: The file.
        what: What it is, before its name in a message.

    Raises:
        InputError: If it is no YAML, has a key twice, or is larger, deeper or more
            repetitive than options are.
    """
    where = f"{what}'{path}'"
    text = read_text(path, LARGEST, what)
    try:
        loader, node = _compose(text, where)
        if node is None:
            return None
        if _size(node, {}) > _MOST_VALUES:
            raise InputError(
                f'{where} has more than {_MOST_VALUES} values, with what its aliases '
                'repeat'
            )
        return loader.construct_document(node)
    except InputError:
        raise
    except (yaml.YAMLError, ValueError) as error:  # Such as a date of month 13.
        raise InputError(f'{where} is no YAML') from error
    except RecursionError as error:
        raise InputError(f'{where} is nested too deeply for options') from error


def check_keys(text: str, where: str) -> None:
    """Refuses YAML that has a key twice in one place, at any depth.

    Args:
        text: The YAML.
        where: Where it stands, for the message.

    Raises:
        InputError: Names the key and both lines.
        yaml.YAMLError: If it is no YAML.

    Example:
        >>> check_keys('{seed: 1, model: {seed: 2}}', 'the recipe')
    """
    _compose(text, where)


def _compose(text: str, where: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    """The tree of a text, whose keys were checked."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        nodes, seen = [root], set()
        while nodes:
            node = nodes.pop()
            if id(node) in seen:  # An alias may lead back to where it stands.
                continue
            seen.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                nodes += node.value
            if isinstance(node, yaml.MappingNode):
                _check_mapping(loader, node, where)
                nodes += [value for _, value in node.value]
        return loader, root
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, float]) -> float:
    """Number of values below a node; infinite where an alias leads back to it."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = float('inf')
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def _check_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, where: str) -> None:
    lines: dict[Any, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        merge = key.tag == 'tag:yaml.org,2002:merge'
        name = key.value if merge else loader.construct_object(key)
        line = key.start_mark.line + 1
        if name in lines:
            both = ' and '.join(map(str, sorted({lines[name], line})))
            raise InputError(
                f"the key '{name}' is given twice in {where} (line {both}), so one of "
                'its values would be lost'
            )
        lines[name] = line
