"""YAML whose keys are unique: of two equal ones, the first would vanish silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hetero_mmer.input import check_file
from hetero_mmer.typing import InputError


def read_yaml(path: Path, what: str = '') -> Any:
    """What a YAML file holds.

    Args:
        path: The file.
        what: What it is, before its name in a message.

    Raises:
        InputError: If it is no YAML, or has a key twice.
    """
    where = f"{what}'{path}'"
    try:
        text = check_file(path).read_text(encoding='utf-8')
        check_keys(text, where)
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f'{where} is no YAML') from error


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
    loader = yaml.SafeLoader(text)
    try:
        nodes, seen = [loader.get_single_node()], set()
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
    finally:
        loader.dispose()


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
