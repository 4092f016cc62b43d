from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hetero_mmer.cli.console import say, show
from hetero_mmer.cli.parser import add_trust, make_parser, parse
from hetero_mmer.files.output import WriteError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


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

    parser = make_parser(train)
    parser.add_argument('--resume', help='Go on with the run in a folder.')
    add_trust(parser)
    parser.add_function_arguments(
        resume, skip={'folder', 'trust', 'callbacks'}, as_positional=False
    )
    args = parse(parser, words, ' with --resume').as_dict()
    folder = args.pop('resume')
    check_resumable(folder, args['data'])  # Before torch.
    return partial(resume, folder=folder, **args), args['trust']


def _fresh(words: list[str]) -> tuple[partial, bool]:
    from hetero_mmer import training
    from hetero_mmer.cli.model_words import (
        check_parsed,
        factories_first,
        model_options,
        recipe_first,
        recipe_of,
    )
    from hetero_mmer.run.options import TrainOptions
    from hetero_mmer.spec import from_spec

    _check_before_torch(words)
    # All that follows imports a model.
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    parser = _parser(
        Callable[[dict[str, int], int], Module],
        Literal['adam', 'adamw'] | Callable[[Iterable], Optimizer],
        Literal['constant', 'linear'] | Callable[[Optimizer], LRScheduler],
    )
    trust, given = '--trust' in words, recipe_of(words)
    words = factories_first(recipe_first(words, trust=trust))
    if '--help' in words and '--model' in words:
        parser = make_parser(train)
        model, facts = model_options(words)
        parser.add_class_arguments(model, 'model', skip=facts)
        words = ['--help']
    args = parse(parser, words).as_dict()
    spec, recipe, data, out = (args.pop(n) for n in ('model', 'recipe', 'data', 'out'))
    if recipe and not trust:
        check_parsed(spec, words, f"the recipe '{given}'")
    del args['resume'], args['trust']
    options = TrainOptions.from_plain(_without_rates(args), trust=True)
    model = from_spec(spec, trust=True)
    return partial(training.train, model, data, out=out, options=options), trust


def _parser(model: Any, optimizer: Any, schedule: Any) -> ArgumentParser:
    """The parser of a run that starts.

    Args:
        model: The type of its model.
        optimizer: That of its optimiser.
        schedule: That of its schedule.
    """
    from jsonargparse import ActionConfigFile

    from hetero_mmer.run.options import TrainOptions

    parser = make_parser(train)
    parser.add_argument(
        '--resume',
        help='Go on with the run in a folder; with --data if its data were moved.',
    )
    add_trust(parser)
    text = 'A YAML file of options, or one of ours: `hetero-mmer recipes` lists them.'
    parser.add_argument('--recipe', action=ActionConfigFile, help=text)
    text = 'A class of hetero_mmer.models by name, or any other by import path.'
    parser.add_argument('--model', type=model, required=True, help=text)
    text = "A store, or the name of a data set; 'synthetic' makes one."
    parser.add_argument('--data', type=str, required=True, help=text)
    text = 'Folder for the run, which must not exist or be empty.'
    parser.add_argument('--out', type=str, required=True, help=text)
    parser.add_class_arguments(TrainOptions, skip={'optimizer', 'schedule'})
    text = (
        "'adam' adds weight decay to the gradient, 'adamw' keeps it apart; or a class "
        'of torch.optim by import path, whose arguments follow.'
    )
    parser.add_argument('--optimizer', type=optimizer, default='adam', help=text)
    text = (
        'Whether the learning rate then stays or falls to zero; or a class of '
        'torch.optim.lr_scheduler by import path, advanced after each epoch.'
    )
    parser.add_argument('--schedule', type=schedule, default='constant', help=text)
    return parser


def _without_rates(args: dict[str, Any]) -> dict[str, Any]:
    """Options whose optimiser leaves rate and decay to the run, which has them."""
    if isinstance(given := args['optimizer'], dict):
        own = {
            name: value
            for name, value in given['init_args'].items()
            if name not in ('lr', 'weight_decay')
        }
        return {**args, 'optimizer': {**given, 'init_args': own}}
    return args


def _check_before_torch(words: list[str]) -> None:
    """Refuses what is wrong besides the model, which takes torch, or shows the help."""
    from hetero_mmer.cli.model_words import words_but_model
    from hetero_mmer.run.begin import check_early
    from hetero_mmer.run.options import TrainOptions

    parser = _parser(Any, Any, Any)
    rest = words_but_model(words)
    of_model = any(word.startswith('--model.') for word in words)
    if rest is None or (of_model and '--help' in words):
        return
    try:
        args = parse(parser, rest).as_dict()
    except argparse.ArgumentError as error:
        if of_model and 'are required' in str(error):
            return  # A wrong option goes first, and those of a model are not known yet.
        raise
    for name in ('resume', 'recipe', 'model', 'trust', 'optimizer', 'schedule'):
        del args[name]  # Of which torch knows some.
    data, out = args.pop('data'), args.pop('out')
    check_early(data, out, TrainOptions(**args))
