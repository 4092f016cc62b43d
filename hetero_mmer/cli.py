"""The command line, ``hetero-mmer``; the only file that prints.

The options of ``train``, ``evaluate`` and ``predict`` are the signatures of functions
in :mod:`hetero_mmer.training`. Heavy imports happen inside commands.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import inspect
import os
import re
import select
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hetero_mmer.escape import visible
from hetero_mmer.hint import did_you_mean
from hetero_mmer.output import WriteError, writing
from hetero_mmer.signals import Stopped, stoppable, undisguised

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from hetero_mmer.show import Table

USAGE = """\
usage: hetero-mmer COMMAND ...

Multi-modal multi-label emotion recognition with heterogeneous graphs.

commands:
  data list                      the data sets that are known by name
  data convert FORMAT SOURCE...  raw files to a store
  data fetch NAME                download a data set and make its store
  data describe STORE            what a store holds
  data validate STORE            what is suspicious in a store
  recipes [NAME]                 what `train --recipe` knows, or the YAML of one
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
        The exit status: 0, 2 for bad input or what the machine lacks, 130 after an
        interrupt, 143 after SIGTERM, 129 after a terminal was closed, 141 if nobody
        reads what is printed.
    """
    if argv is None and hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(errors='backslashreplace')  # As stderr has it.
    # Threads that spin while they wait make small models 20 times slower wherever
    # another process wants the same cores. Read when torch is imported.
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    if argv is not None:
        return _main(list(argv))
    for name in ('stdout', 'stderr'):  # None where the caller closed it.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w'))  # noqa: SIM115
    with stoppable():
        return _main(sys.argv[1:])


def _main(words: list[str]) -> int:
    try:
        with _plain_warnings(), undisguised():
            status = _run(words)
            with writing('standard output'):  # Now: at exit nobody hears of failures.
                sys.stdout.flush()
            return status
    except SystemExit as stop:  # After the help of a command, or by rich.
        if isinstance(stop.__context__, BrokenPipeError):
            return _unread()
        return int(stop.code or 0)
    except KeyboardInterrupt as stop:
        _tell(_with_notes(stop))
        return stop.status if isinstance(stop, Stopped) else 130
    except argparse.ArgumentError as error:
        message = _sentence(str(error))
    except (OSError, ValueError) as error:
        from hetero_mmer.typing import InputError

        if not isinstance(error, OSError | InputError):
            raise
        if isinstance(error, OSError):
            if error.errno == errno.EPIPE and _has_no_reader():
                return _unread()
            if (
                error.errno == errno.ENOSPC and error.filename is None
            ):  # No file of ours.
                error = WriteError(error.errno, error.strerror, 'standard output')
        message = _with_notes(error)
    except (MemoryError, RecursionError, RuntimeError) as error:
        if not (lack := _lack(error)):
            raise
        message = lack
    _tell(f'error: {message}')
    return 2


def _with_notes(error: BaseException) -> str:
    notes = getattr(error, '__notes__', [])
    return '; '.join([str(error) or 'interrupted', *notes])


def _has_no_reader() -> bool:
    """Whether what our output was piped into has ended."""
    poll = select.poll()
    with contextlib.suppress(OSError, ValueError):  # A stream without a descriptor.
        for stream in (sys.stdout, sys.stderr):
            poll.register(stream, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _unread() -> int:
    """Ends like any command before `| head`: without a word."""
    with contextlib.suppress(OSError, ValueError):  # Or Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def _tell(message: str) -> None:
    with contextlib.suppress(OSError):  # Nobody reads that either.
        print(f'hetero-mmer: {visible(message)}', file=sys.stderr)


def _lack(error: Exception) -> str:
    """What the machine has too little of, if that is what went wrong."""
    reason = ' '.join(str(error).split())[:200]
    if isinstance(error, RecursionError):
        return f'the input is nested too deeply ({reason})'
    of_torch = getattr(sys.modules.get('torch'), 'OutOfMemoryError', ())
    if isinstance(error, of_torch) or "can't allocate memory" in reason:
        return f'there is not enough memory ({reason}); smaller batches need less'
    if isinstance(error, MemoryError):
        return f'there is not enough memory ({reason})'.replace(' ()', '')
    return ''


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
                _tell(f'warning: {message}')
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
    known = r'(torch|torch_geometric|hetero_mmer)\.'
    paths = re.findall(r'[^\W\d]\w*(?:\.[^\W\d]\w*)+', ' '.join(values))
    return '--trust' in words or any(not re.match(known, path) for path in paths)


def data_list(words: list[str]) -> int:
    """Lists the data sets that are known by name."""
    args = _data_args(data_list, words, json=True)

    from hetero_mmer.show import data_sets_table
    from hetero_mmer.sources import DATA_SETS, data_root

    stores = {d.name: data_root(args.root) / d.file_name for d in DATA_SETS.values()}
    there = {name: str(path) for name, path in stores.items() if path.is_file()}
    if args.json:
        keys = ['name', 'description', 'num_samples', 'label_names']
        keys += ['modalities', 'licence']
        facts = [
            {k: v for k, v in vars(one).items() if k in keys}
            for one in DATA_SETS.values()
        ]
        _show_json([{**row, 'store': there.get(row['name'])} for row in facts])
    else:
        _show(data_sets_table(DATA_SETS, there))
    return 0


def data_convert(words: list[str]) -> int:
    """Makes a store of raw files, and a report of what was kept, dropped and cleaned.

    A format has options of its own: `hetero-mmer data convert FORMAT --help`.
    """
    from hetero_mmer.sources import FORMATS
    from hetero_mmer.store import NoSampleError
    from hetero_mmer.store.place import (
        check_report_path,
        write_report,
        write_report_of_none,
    )
    from hetero_mmer.typing import InputError

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
    output = Path(args['output'])
    check_report_path(output)
    before = _file_number(output)
    try:
        converted = convert(**args, progress=True)
    except NoSampleError as error:
        try:
            path = write_report_of_none(output, error.report)
        except (OSError, InputError) as other:
            raise InputError(f'{error}; its report: {other}') from error
        raise InputError(f"{error}; '{path}' has all reasons") from error
    except KeyboardInterrupt as stop:
        if _file_number(output) == before:
            stop.add_note(f"nothing was written to '{output}'")
        raise
    with converted as store:
        path = write_report(store)
        for note in store.attrs.get('notes', []):
            _say(note)
        _say(f'{store.path}: {store}')
        _say(f'{path}: {len(store)} samples kept, {len(store.dropped)} dropped')
    return 0


def _file_number(path: Path) -> int | None:
    """Which file it is; another one if it was written meanwhile."""
    return path.stat().st_ino if path.exists() else None


def data_fetch(words: list[str]) -> int:
    """Downloads a data set and makes its store."""
    args = _data_args(data_fetch, words, name='One that `hetero-mmer data list` shows.')

    from hetero_mmer.sources import fetch_data_set

    with fetch_data_set(args.name, args.root) as store:
        _say(f'{store.path}: {store}')
    return 0


def data_describe(words: list[str]) -> int:
    """Shows what a store holds."""
    args = _data_args(data_describe, words, store=_STORE, json=True)

    from hetero_mmer.show import description_tables
    from hetero_mmer.sources import resolve_data
    from hetero_mmer.store import describe

    found = describe(resolve_data(args.store, args.root))
    if args.json:
        _show_json(asdict(found))
    else:
        _show(*description_tables(found))
    return 0


def data_validate(words: list[str]) -> int:
    """Reads a store through and tells what is suspicious; exit status 2 for errors."""
    args = _data_args(data_validate, words, store=_STORE, json=True)

    from hetero_mmer.sources import resolve_data
    from hetero_mmer.store import validate

    path = resolve_data(args.store, args.root)
    findings = validate(path)
    levels = [finding.level for finding in findings]
    errors, warned = levels.count('error'), levels.count('warning')
    if args.json:
        found = {'path': str(path), 'errors': errors, 'warnings': warned}
        _show_json({**found, 'findings': [asdict(one) for one in findings]})
    else:
        for finding in findings:
            _say(f'{finding.level}: {finding.sentence}')
        _say(f'{path}: errors {errors}, warnings {warned}')
    return 2 if errors else 0


def recipes(words: list[str]) -> int:
    """Lists the recipes of `train --recipe`, or prints one to copy and edit."""
    parser = _parser(recipes)
    parser.add_argument('name', nargs='?', help='Which to print.')
    args = _parse(parser, words)

    from hetero_mmer.recipes import recipe_file, recipe_lines

    if args.name is not None:
        print(recipe_file(args.name).read_text(encoding='utf-8'), end='')
        return 0
    lines = recipe_lines()
    width = max(map(len, lines))
    for name, line in lines.items():
        _say(f'{name:{width}}  {line}')
    return 0


def train(words: list[str]) -> int:
    """Trains a model on the train split and tests its best epoch.

    A value comes from the default, then from the recipe, then from the option. A model
    has its own (`--model HHMPN --help`), as in `--model HHMPN --model.num_steps 2
    --model.f2l torch_geometric.nn.GATv2Conv --model.f2l.heads 1`.
    """
    from hetero_mmer import training

    if any(word.split('=')[0] == '--resume' for word in words):
        parser = _parser(train)
        parser.add_argument('--resume', help='Go on with the run in a folder.')
        _add_trust(parser)
        parser.add_function_arguments(
            training.resume, skip={'run', 'trust', 'progress'}, as_positional=False
        )
        args = _parse(parser, words, ' with --resume').as_dict()
        is_resumed, trust = True, args['trust']
        call = partial(training.resume, args.pop('resume'), **args)
    else:
        _check_before_torch(words)
        from torch.nn import Module  # All that follows imports a model.

        parser = _train_parser(Callable[[dict[str, int], int], Module])
        is_resumed, trust = False, '--trust' in words
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
    from hetero_mmer.show import result_table

    folder = Path(call.keywords.get('out') or call.args[0])
    try:
        _show(result_table(call(progress=True)))
    except (KeyboardInterrupt, WriteError) as stop:
        if (folder / 'config.yaml').exists() and not (folder / 'metrics.json').exists():
            when = 'once that is mended, ' if isinstance(stop, WriteError) else ''
            command = f'hetero-mmer train --resume {shlex.quote(str(folder))}'
            # A torch whose import was stopped cannot be imported to find out.
            trust = trust if is_resumed else training.needs_trust(folder)
            command += ' --trust' if trust else ''
            stop.add_note(f'{when}`{command}` goes on')
        raise
    _say(f'The run lies in {folder}')
    if training.needs_trust(folder):
        _say('Its model is code of your own: evaluate and predict run it with --trust')
    return 0


def _train_parser(model: Any) -> ArgumentParser:
    """The parser of a run that starts.

    Args:
        model: The type of its model.
    """
    from jsonargparse import ActionConfigFile

    from hetero_mmer import training

    parser = _parser(train)
    parser.add_argument(
        '--resume',
        help='Go on with the run in a folder; with --data if its data were moved.',
    )
    _add_trust(parser)
    text = 'A YAML file of options, or one of ours: `hetero-mmer recipes` lists them.'
    parser.add_argument('--recipe', action=ActionConfigFile, help=text)
    text = 'A class of hetero_mmer.models by name, or any other by import path.'
    parser.add_argument('--model', type=model, required=True, help=text)
    parser.add_function_arguments(
        training.train, skip={'model', 'progress'}, as_positional=False
    )
    return parser


def _check_before_torch(words: list[str]) -> None:
    """Refuses what is wrong besides the model, which takes torch, or shows the help."""
    from hetero_mmer import training

    parser = _train_parser(Any)
    rest = training.words_but_model(words, _options(parser))
    of_model = any(word.startswith('--model.') for word in words)
    if rest is None or (of_model and '--help' in words):
        return
    try:
        args = _parse(parser, rest).as_dict()
    except argparse.ArgumentError as error:
        if of_model and 'are required' in str(error):
            return  # A wrong option goes first, and those of a model are not known yet.
        raise
    del args['resume'], args['recipe'], args['model'], args['trust']
    training.check_early(**args)


def evaluate(words: list[str]) -> int:
    """Computes the metrics of a finished run."""
    from hetero_mmer import training

    parser = _parser(evaluate)
    parser.add_argument('run', help='Folder of the run.')
    parser.add_function_arguments(
        training.evaluate, skip={'run', 'trust'}, as_positional=False
    )
    _add_trust(parser)
    parser.add_argument('--json', action='store_true', help=_JSON)
    args = _parse(parser, words).as_dict()
    as_json = args.pop('json')

    from hetero_mmer.show import result_table

    result = training.evaluate(**args)
    if as_json:
        _show_json(result)
    else:
        _show(result_table(result))
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
    _say(str(training.predict(**_parse(parser, words).as_dict())))
    return 0


_STORE = 'A store, or the name of a data set.'
_JSON = 'Print JSON instead of a table; its keys are in the README.'

DATA_COMMANDS = (data_list, data_convert, data_fetch, data_describe, data_validate)
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    command.__name__.replace('_', ' '): command
    for command in (*DATA_COMMANDS, recipes, train, evaluate, predict)
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
            text = re.sub(r', known subclasses:[^)]*', '', text)
            return re.sub(r':\w+:`~?([^`]*)`', r'\1', text)  # Marks of docstrings.

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


def _data_args(
    command: Callable, words: list[str], *, json: bool = False, **positional: str
) -> Any:
    parser = _parser(command)
    for name, text in positional.items():
        parser.add_argument(name, help=text)
    if json:
        parser.add_argument('--json', action='store_true', help=_JSON)
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
    given = re.search('Given value: (.*)', rest)
    if given and value[1] == 'None' and given[1][:1] == '{':  # No blank after a colon.
        expected, value = ['dict'], given
    names = ' or '.join(_MEANT.get(kind, kind) for kind in expected)
    names = names.replace("', '", ' or ').replace('NoneType', 'null')
    names += ' or an import path' if 'Callable' in rest else ''
    return f"{option} expects {names} (got '{value[1]}')"


#: How what Python calls otherwise is typed.
_MEANT = {'dict': "'{NAME: VALUE}'", 'list': "'[NAME, NAME]'"}


def _say(sentence: str) -> None:
    print(visible(sentence))


def _show(*tables: Table) -> None:
    import shutil

    from hetero_mmer.show import render

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(render(tables, width=width, encoding=sys.stdout.encoding or 'utf-8'))


def _show_json(value: Any) -> None:
    from hetero_mmer.strict_json import json_text

    print(json_text(value))
