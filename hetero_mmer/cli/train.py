from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hetero_mmer.cli.console import say, show
from hetero_mmer.cli.parser import Parser, add_trust, asks_help
from hetero_mmer.cli.values import read_value
from hetero_mmer.errors import InputError
from hetero_mmer.files.output import WriteError

if TYPE_CHECKING:
    from hetero_mmer.cli.parts import Said


def train(words: list[str]) -> int:
    """Trains a model on the train split and tests its best epoch.

    A value comes from the default, then from the recipe, then from the option. A model
    has its own (`--model HHMPN --help`), as in `--model HHMPN --model.num_steps 2
    --model.f2l torch_geometric.nn.GATv2Conv --model.f2l.heads 1`; so has an optimiser,
    as in `--optimizer torch.optim.SGD --optimizer.momentum 0.9`.
    """
    from hetero_mmer.run import needs_trust

    is_resumed = any(word.split('=')[0] == '--resume' for word in words)
    call, trust = (_resumed if is_resumed else _fresh)(words)
    folder = Path(call.keywords['folder' if is_resumed else 'out'])
    try:
        from hetero_mmer.cli.progress import progress
        from hetero_mmer.cli.tables import result_table

        show(result_table(call(callbacks=[progress()])))
    except (KeyboardInterrupt, WriteError) as stop:
        if (folder / 'config.yaml').exists() and not (folder / 'metrics.json').exists():
            when = 'once that is mended, ' if isinstance(stop, WriteError) else ''
            command = f'hetero-mmer train --resume {shlex.quote(str(folder))}'
            # A torch whose import was stopped cannot be imported to find out.
            trust = trust if is_resumed else needs_trust(folder)
            command += ' --trust' if trust else ''
            stop.add_note(f'{when}`{command}` goes on')
        raise
    say(f'The run lies in {folder}')
    if needs_trust(folder):
        say('Its model is code of your own: evaluate and predict run it with --trust')
    return 0


def _resumed(words: list[str]) -> tuple[partial, bool]:
    from hetero_mmer.run.begin import check_resumable
    from hetero_mmer.training import resume

    parser = Parser(train)
    parser.option('resume', str, 'Go on with the run in a folder.')
    add_trust(parser)
    parser.options_of(resume, skip={'folder', 'trust', 'callbacks'})
    args = parser.parse(words, ' with --resume')
    folder = args.pop('resume')
    check_resumable(folder, args.get('data'))  # Before torch.
    return partial(resume, folder=folder, **args), args.get('trust', False)


def _fresh(words: list[str]) -> tuple[partial, bool]:
    from hetero_mmer import training
    from hetero_mmer.cli.parts import Said, check_model_name, read_model, split_words
    from hetero_mmer.run.begin import check_early
    from hetero_mmer.run.options import FACTORIES, TrainOptions, check_types
    from hetero_mmer.run.recipe import read_recipe
    from hetero_mmer.spec import from_spec

    rest, typed = split_words(words)
    parser = _parser()
    given = parser.given(rest)
    _help(parser, given, rest, typed)
    trust, recipe = given.pop('trust', False), given.pop('recipe', None)
    print_config = given.pop('print_config', False)
    where = f"the recipe '{recipe}'"
    # Nothing of it is imported, so nothing has to be trusted.
    file = read_recipe(recipe, trust=True) if recipe else {}
    file = {name: _read(parser, name, value, where) for name, value in file.items()}
    if 'model' in file:
        check_model_name(file['model']['class_path'], trust=trust, where=where)
    if 'model' in given:
        check_model_name(given['model'], trust=True)
    lacks = parser.missing({**file, **given})
    if lacks and not typed and not ('model' in file and 'model' in given):
        raise InputError(lacks)  # Else a wrong option of a model goes first.
    others = ('model', 'data', 'out', *FACTORIES)
    check_types({n: v for n, v in file.items() if n not in others}, where)
    values = {**file, **given}
    options = TrainOptions(**{n: v for n, v in values.items() if n not in others})
    data, out = values.get('data', ''), values.get('out', '')
    if not lacks:
        check_early(data, out, options)

    # All that follows imports a model.
    if recipe:
        read_recipe(recipe, trust=trust)  # Judges all names.
    typed |= {n: given[n] for n in ('model', *FACTORIES) if n in given}
    said = Said(typed, where, trust)
    model = from_spec(read_model(file.get('model'), said), trust=True)
    if lacks:
        raise InputError(lacks)
    options = replace(options, **_factories(file, said))
    if print_config:
        _print_config(model, data, out, options)
    return partial(training.train, model, data, out=out, options=options), trust


def _parser() -> Parser:
    """The parser of a run that starts."""
    from hetero_mmer.run.options import TrainOptions

    parser = Parser(train)
    text = 'Go on with the run in a folder; with --data if its data were moved.'
    parser.option('resume', str | None, text, None)
    add_trust(parser)
    text = 'A YAML file of options, or one of ours: `hetero-mmer recipes` lists them.'
    parser.option('recipe', str | None, text, None)
    parser.flag('print_config', 'Print all options as YAML, which is a recipe.')
    text = 'A class of hetero_mmer.models by name, or any other by import path.'
    parser.option('model', str, text)
    text = "A store, or the name of a data set; 'synthetic' makes one."
    parser.option('data', str, text)
    text = 'Folder for the run, which must not exist or be empty.'
    parser.option('out', str, text)
    parser.options_of(TrainOptions, skip=())
    return parser


def _help(
    parser: Parser,
    given: Mapping[str, Any],
    words: list[str],
    typed: Mapping[str, str],
) -> None:
    """Prints the help that a command line asks for, and ends."""
    from hetero_mmer.cli.parts import class_help

    asked = [name for name in typed if name.endswith('.help')]
    if asked:
        parser = class_help(train, asked[0].removesuffix('.help'), typed[asked[0]])
    elif asks_help(words) and 'model' in given:
        parser = class_help(train, 'model', given['model'])
    if asked or asks_help(words):
        parser.print_help()
        raise SystemExit(0)


def _read(parser: Parser, name: str, value: Any, where: str) -> Any:
    """A value of a recipe; PyYAML takes numbers such as 1e-3 for text."""
    kind = parser.kinds.get(name)
    if isinstance(value, str) and kind is not None:
        return read_value(value, kind, name, where)
    return value


def _factories(file: Mapping[str, Any], said: Said) -> dict[str, Any]:
    """The optimiser and the schedule: words, or classes with arguments."""
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from hetero_mmer.cli.parts import check_parsed, read_argument
    from hetero_mmer.run.options import TrainOptions
    from hetero_mmer.spec import from_spec

    rates = {'lr': 'learning_rate', 'weight_decay': 'weight_decay'}
    for name, option in rates.items():
        if f'optimizer.{name}' in said.typed:
            raise InputError(f"'optimizer' takes '{name}' from '{option}' of the run")
    kinds: dict[str, Any] = {
        'optimizer': Literal['adam', 'adamw'] | Callable[[Iterable], Optimizer],
        'schedule': Literal['constant', 'linear'] | Callable[[Optimizer], LRScheduler],
    }
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        value = file.get(name, getattr(TrainOptions, name))
        value = read_argument(name, kind, value, said, typed=False)
        if isinstance(value, Mapping):
            if name in file:
                check_parsed(value, said)
            args = {n: v for n, v in value['init_args'].items() if n not in rates}
            value = from_spec({**value, 'init_args': args}, trust=True)
        found[name] = value
    return found


def _print_config(model: Any, data: Any, out: Any, options: Any) -> None:
    import yaml

    from hetero_mmer.spec import FACTS, to_spec

    spec = to_spec(model)
    for fact in FACTS:  # Which come from the data.
        spec['init_args'].pop(fact, None)
    found = {'model': spec, 'data': data, 'out': out, **options.to_plain()}
    print(yaml.safe_dump(found, sort_keys=False, allow_unicode=True), end='')
    raise SystemExit(0)
