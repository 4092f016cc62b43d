"""What messages name in Python, as it is typed: only the command line has dashes."""

from __future__ import annotations

import ast
import re
import shlex
from typing import Any, Final

#: Functions that messages name, by their commands; '' takes options alone.
_COMMANDS: Final = {
    '': '',
    'convert': 'hetero-mmer data convert FORMAT',
    'fetch_data_set': 'hetero-mmer data fetch',
    'predict': 'hetero-mmer predict',
    'recipe_names': 'hetero-mmer recipes',
    'resume': 'hetero-mmer train --resume',
    'validate': 'hetero-mmer data validate',
}


def as_typed(message: str) -> str:
    """A message in which arguments and functions are options and commands.

    Args:
        message: One that names them in backticks, as Python that could be run:
            ``clean='zero'``, ``labels=`` (whatever its value) or ``resume('run')``.

    Example:
        >>> as_typed("`labels=` are missing; clean them by `clean='zero'`")
        '--labels are missing; clean them by --clean zero'
        >>> as_typed("`resume('my run', data=PATH)` goes on, `trust=True` runs it")
        "`hetero-mmer train --resume 'my run' --data PATH` goes on, --trust runs it"
    """
    return re.sub('`([^`]+)`', lambda found: _typed(found[1]), message)


def _typed(text: str) -> str:
    if re.fullmatch(r'[a-z]\w*=', text):
        return f'--{text[:-1]}'
    call = _call(text) or _call(f'_({text})')
    name = ast.unparse(call.func).strip('_') if call else None
    if call is None or name not in _COMMANDS or (not name and call.args):
        return f'`{text}`'
    words = [_COMMANDS[name], *map(_value, call.args)]
    words += [_option(each.arg or '', _value(each.value)) for each in call.keywords]
    return f'`{" ".join(words)}`' if name else ' '.join(words[1:])


def _call(text: str) -> ast.Call | None:
    try:
        found = ast.parse(text, mode='eval').body
    except (SyntaxError, ValueError):  # Such as a command, or a null byte.
        return None
    return found if isinstance(found, ast.Call) else None


def _option(name: str, value: str) -> str:
    if name == 'trust':
        return '--trust'
    return f'--{name}={value}' if value.startswith('-') else f'--{name} {value}'


def _value(node: ast.expr) -> str:
    try:
        value: Any = ast.literal_eval(node)
    except ValueError:  # A word that stands for something.
        return ast.unparse(node)
    if value is ...:
        return '...'
    if isinstance(value, str):
        return shlex.quote(value)
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1e9)
    return shlex.quote(text.removesuffix('...\n').strip())
