"""The command line, ``hetero-mmer``; the only file that prints.

The options of ``train``, ``evaluate`` and ``predict`` are the signatures of functions
in :mod:`hetero_mmer.training`. Heavy imports happen inside commands.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hetero_mmer.hint import did_you_mean

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from hetero_mmer.store import Description

USAGE = """\
usage: hetero-mmer COMMAND ...

Multi-modal multi-label emotion recognition with heterogeneous graphs.

commands:
  data list                      the data sets that are known by name
  data convert FORMAT SOURCE...  raw files to a store
  data fetch NAME                download a data set and make its store
  data describe STORE            what a store holds
  data validate STORE            what is suspicious in a store
  train                          train a model and test it
  evaluate RUN                   metrics of a finished run
  predict RUN STORE              labels of new samples

Each command has a --help of its own; --version tells the version.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        argv: Its words; those of this process by default.

    Returns:
        The exit status: 0, 2 for bad input, 130 after an interrupt.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Threads that spin while they wait make small models 20 times slower wherever
    # another process wants the same cores. Read when torch is imported.
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    try:
        with _plain_warnings():
            return _run(words)
    except SystemExit as stop:  # After the help of a command.
        return int(stop.code or 0)
    except KeyboardInterrupt as stop:
        print(f'hetero-mmer: {stop or "interrupted"}', file=sys.stderr)
        return 130
    except argparse.ArgumentError as error:
        message = _sentence(str(error))
    except (OSError, ValueError) as error:
        from hetero_mmer.typing import InputError

        if not isinstance(error, OSError | InputError):
            raise
        message = str(error)
    print(f'hetero-mmer: error: {message}', file=sys.stderr)
    return 2


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Tells what may not be meant as it tells errors, each time."""
    from hetero_mmer.typing import InputWarning

    with warnings.catch_warnings():
        warnings.simplefilter('always', InputWarning)
        show = warnings.showwarning

        def tell(
            message: Warning | str, category: type[Warning], *args: Any, **more: Any
        ) -> None:
            if issubclass(category, InputWarning):
                print(f'hetero-mmer: warning: {message}', file=sys.stderr)
            else:
                show(message, category, *args, **more)

        warnings.showwarning = tell
        yield


def _run(words: list[str]) -> int:
    if words[:1] == ['--version']:
        print(f'hetero-mmer {metadata.version("hetero_mmer")}')
        return 0
    size = 1 + (words[:1] == ['data'])
    if len(words) < size or words[size - 1] in ('-h', '--help'):
        print(USAGE, end='')
        return 0 if words[size - 1 :] else 2
    name = ' '.join(words[:size])
    if name not in COMMANDS:
        _refuse(f"unknown command '{name}'", name, ['data', *COMMANDS])
    if _names_own_code(words) and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # Where a user's own models lie.
    return COMMANDS[name](words[size:])


def _names_own_code(words: Sequence[str]) -> bool:
    """Whether a command line trusts modules of the current directory.

    Elsewhere a file there could stand for any module that is imported if it exists.
    """
    values = [
        word.partition('=')[2] or after
        for word, after in zip(words, [*words[1:], ''], strict=True)
        if re.match(r'--model(\.|=|$)', word)
    ]
    known = r'(torch|torch_geometric|hetero_mmer)\.|[^.]*$'
    return '--trust' in words or any(not re.match(known, value) for value in values)


def data_list(words: list[str]) -> int:
    """Lists the data sets that are known by name."""
    args = _data_args(data_list, words)

    from hetero_mmer.sources import DATA_SETS, data_root

    rows = []
    for one in DATA_SETS.values():
        store = data_root(args.root) / one.file_name
        row = {k: v for k, v in vars(one).items() if isinstance(v, int | str | tuple)}
        del row['file_name'], row['commands']
        rows.append({**row, 'store': store if store.is_file() else None})
    _show('Data sets', rows)
    return 0


def data_convert(words: list[str]) -> int:
    """Makes a store of raw files, and a report of what was kept, dropped and cleaned.

    A format has options of its own: `hetero-mmer data convert FORMAT --help`.
    """
    from hetero_mmer.sources import FORMATS
    from hetero_mmer.store.place import check_report_path, write_report

    if not words or words[0].startswith('-'):
        parser = _parser(data_convert)
        parser.add_argument('format', help=f'One of {", ".join(FORMATS)}.')
        _parse(parser, words)
    if words[0] not in FORMATS:
        known = f'(known: {", ".join(FORMATS)})'
        _refuse(f"unknown format '{words[0]}' {known}", words[0], FORMATS)
    convert = FORMATS[words[0]]
    parser = _parser(data_convert, words[0], convert)
    parser.add_argument('sources', nargs='+', help='The raw files.')
    parser.add_argument('--output', required=True, help='The store to write.')
    parser.add_function_arguments(
        convert, skip={'sources', 'output', 'progress'}, as_positional=False
    )
    for action in parser._actions:
        if isinstance(action.default, bool):  # `--strict` alone is enough.
            action.nargs, action.const = '?', True
    args = _parse(parser, words[1:]).as_dict()
    check_report_path(Path(args['output']))
    with convert(**args, progress=sys.stderr.isatty()) as store:
        path = write_report(store)
        for note in store.attrs.get('notes', []):
            print(note)
        count = f'{len(store)} samples kept, {len(store.dropped)} dropped'
        print(f'{store.path}: {store}', f'{path}: {count}', sep='\n')
    return 0


def data_fetch(words: list[str]) -> int:
    """Downloads a data set and makes its store."""
    args = _data_args(data_fetch, words, name='Name of the data set.')

    from hetero_mmer.sources import data_root, find_data_set

    data_set = find_data_set(args.name)
    with data_set.fetch(data_root(args.root) / data_set.file_name) as store:
        print(f'{store.path}: {store}')
    return 0


def data_describe(words: list[str]) -> int:
    """Shows what a store holds."""
    args = _data_args(data_describe, words, store='A store, or the name of a data set.')

    from hetero_mmer.sources import resolve_data
    from hetero_mmer.store import describe

    _show_description(describe(resolve_data(args.store, args.root)))
    return 0


def data_validate(words: list[str]) -> int:
    """Reads a store through and tells what is suspicious; exit status 2 for errors."""
    args = _data_args(data_validate, words, store='A store, or the name of a data set.')

    from hetero_mmer.sources import resolve_data
    from hetero_mmer.store import validate

    path = resolve_data(args.store, args.root)
    levels = []
    for finding in validate(path):
        print(f'{finding.level}: {finding.sentence}')
        levels.append(finding.level)
    print(f'{path}: errors {levels.count("error")}, warnings {levels.count("warning")}')
    return 2 if 'error' in levels else 0


def train(words: list[str]) -> int:
    """Trains a model on the train split and tests its best epoch.

    A value comes from the default, then from the recipe, then from the option. A model
    has its own (`--model HHMPN --help`), as in `--model HHMPN --model.num_steps 2
    --model.f2l torch_geometric.nn.GATv2Conv --model.f2l.heads 1`.
    """
    from jsonargparse import ActionConfigFile

    from hetero_mmer import training

    parser = _parser(train)
    parser.add_argument('--resume', help='Go on with the run in a folder.')
    _add_trust(parser)
    if any(word.split('=')[0] == '--resume' for word in words):
        args = _parse(parser, words, ' with --resume')
        call = partial(training.resume, args.resume, trust=args.trust)
    else:
        text = f'A YAML file of options, or one of {training.recipe_names()}.'
        parser.add_argument('--recipe', action=ActionConfigFile, help=text)
        parser.add_function_arguments(
            training.train, skip={'progress'}, as_positional=False
        )
        trust = '--trust' in words
        words = training.recipe_first(words, _options(parser), trust=trust)
        if '--help' in words and '--model' in words:
            parser = _parser(train)
            model, facts = training.model_options(words)
            parser.add_class_arguments(model, 'model', skip=facts)
            words = ['--help']
        args = _parse(parser, words).as_dict()
        spec, recipe = args.pop('model'), args.pop('recipe')
        if recipe and not trust:
            training.check_parsed(spec, words)
        del args['resume'], args['trust']
        model = training.from_spec(spec, trust=True)
        call = partial(training.train, model, **args)
    folder = Path(call.keywords.get('out') or call.args[0])
    try:
        _show_result(call(progress=sys.stderr.isatty()))
    except KeyboardInterrupt as stop:
        if (folder / 'config.yaml').is_file():
            trusting = ' --trust' if training.needs_trust(folder) else ''
            stop.args = (
                f'interrupted; `hetero-mmer train --resume {folder}{trusting}` goes on',
            )
        raise
    print(f'The run lies in {folder}')
    if training.needs_trust(folder):
        print('Its model is code of your own: evaluate and predict run it by --trust')
    return 0


def evaluate(words: list[str]) -> int:
    """Computes the metrics of a finished run."""
    from hetero_mmer import training

    parser = _parser(evaluate)
    parser.add_argument('run', help='Folder of the run.')
    parser.add_function_arguments(
        training.evaluate, skip={'run', 'trust'}, as_positional=False
    )
    _add_trust(parser)
    _show_result(training.evaluate(**_parse(parser, words).as_dict()))
    return 0


def predict(words: list[str]) -> int:
    """Writes the labels of new samples as CSV."""
    from hetero_mmer import training

    parser = _parser(predict)
    parser.add_argument('run', help='Folder of the run.')
    parser.add_argument('input', help='A store; needs no labels.')
    parser.add_function_arguments(
        training.predict, skip={'run', 'input', 'trust'}, as_positional=False
    )
    _add_trust(parser)
    print(training.predict(**_parse(parser, words).as_dict()))
    return 0


DATA_COMMANDS = (data_list, data_convert, data_fetch, data_describe, data_validate)
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    command.__name__.replace('_', ' '): command
    for command in (*DATA_COMMANDS, train, evaluate, predict)
}


def _parser(
    command: Callable, name: str = '', about: Callable | None = None
) -> ArgumentParser:
    import yaml
    from jsonargparse import ArgumentParser, DefaultHelpFormatter, set_loader

    class Formatter(DefaultHelpFormatter):
        def _get_help_string(self, action: argparse.Action) -> str:
            # Every module that was imported would be listed as a possible model.
            text = super()._get_help_string(action)
            return re.sub(r', known subclasses:[^)]*', '', text)

    set_loader('unique_yaml', _load_yaml, (yaml.YAMLError,))
    return ArgumentParser(
        prog=f'hetero-mmer {command.__name__.replace("_", " ")} {name}'.strip(),
        description=(inspect.getdoc(about or command) or '').split('\n\nArgs:')[0],
        exit_on_error=False,
        allow_abbrev=False,
        parser_mode='unique_yaml',
        formatter_class=Formatter,
    )


def _add_trust(parser: ArgumentParser) -> None:
    parser.add_argument(
        '--trust',
        action='store_true',
        help='Run whatever files name as a model, such as your own.',
    )


def _load_yaml(text: str) -> Any:
    """A value as jsonargparse reads it, refused where a key is given twice."""
    from jsonargparse import get_loader

    from hetero_mmer.unique_yaml import check_keys

    check_keys(text, 'its value')
    return get_loader('yaml')(text)


def _options(parser: ArgumentParser) -> list[str]:
    return [o for o in parser._option_string_actions if o.startswith('--')]


def _parse(parser: ArgumentParser, words: list[str], where: str = '') -> Any:
    known = _options(parser)
    for word in words:
        name = word.split('=')[0]
        of_model = name.startswith('--model.') and '--model' in known
        if name.startswith('--') and name not in known and not of_model:
            _refuse(f"unknown option '{name}'{where}", name, known)
    return parser.parse_args(words)


def _data_args(command: Callable, words: list[str], **positional: str) -> Any:
    parser = _parser(command)
    for name, text in positional.items():
        parser.add_argument(name, help=text)
    parser.add_argument('--root', help='Folder where named data sets lie.')
    return _parse(parser, words)


def _refuse(message: str, name: str, names: Iterable[str]) -> NoReturn:
    raise argparse.ArgumentError(None, f'{message}{did_you_mean(name, names)}')


def _sentence(message: str) -> str:
    """What jsonargparse says over several lines, in one."""
    message = ' '.join(message.split())
    *keys, rest = re.split(r'Parser key "[^"]*": ', message)
    if not keys:
        missing = message.removeprefix('the following arguments are required: ')
        return message if missing == message else f'missing arguments: {missing}'
    option = '--' + '.'.join(re.findall(r'Parser key "([^"]*)"', message))
    if unknown := re.search("Option ('[^']*') is not accepted", rest):
        return f'{option} has no option {unknown[1]}'
    if found := re.search(r"(module '[^']*' has no attribute '[^']*')", rest):
        return f'{option}: {found[1]}'
    expected = re.findall(
        r"Expected an? (?:<class '|typing.Literal\['?)([^>\]]+?)'?[>\]]", rest
    )
    value = re.search(
        r'(?:Got|Given) value: (.*?)(?:\. Got value: .*| - Expected .*)?$', rest
    )
    if not expected or value is None:
        return f'{option}: {rest[:300]}'
    names = ' or '.join(expected).replace("', '", ' or ').replace('NoneType', 'null')
    names += ' or an import path' if 'Callable' in rest else ''
    return f"{option} expects {names} (got '{value[1]}')"


def _show(title: str, rows: Iterable[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    rows = list(rows)
    table = Table(*(rows[0] if rows else ()))
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    width = None if sys.stdout.isatty() else 160
    Console(width=width, markup=False, highlight=False).print(title, table, sep='\n')


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ', '.join(map(_cell, value)) or '-'
    if isinstance(value, Mapping):
        return _cell([f'{k}: {_cell(v)}' for k, v in value.items()])
    if value is None or value == '':
        return '-'
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def _show_result(result: Mapping[str, Any]) -> None:
    title = f'{result["model"]} on {result["data"]}, {result["split"]} split'
    head = {key: result[key] for key in ('seed', 'threshold', 'monitor', 'best_epoch')}
    values = {name: f'{value:.4f}' for name, value in result['metrics'].items()}
    _show(title, ({'': k, 'value': v} for k, v in (head | values).items()))


def _show_description(it: Description) -> None:
    about = {field.name: getattr(it, field.name) for field in fields(it)}
    about |= {'attrs': list(it.attrs), 'dropped': len(it.dropped)}
    modalities = {name: asdict(m) for name, m in about.pop('modalities').items()}
    # A hash in a narrow column would be cut.
    about['fitted'] = {
        m: sha for m, row in modalities.items() if (sha := row.pop('fitted'))
    }
    _show('Modalities', ({'name': name, **row} for name, row in modalities.items()))
    counts, both = it.label_counts, about.pop('co_occurrence')
    if counts is not None:
        named = partial(zip, counts, strict=True)
        rows = ({'name': n, **dict(named(row))} for n, row in named(both))
        _show('Labels: samples that have both of two, or one', rows)
    _show('About', ({'': name, 'value': value} for name, value in about.items()))
