from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetero_mmer.cli.console import say, show
from hetero_mmer.cli.parser import add_trust, make_parser, options_of, parse
from hetero_mmer.files.output import WriteError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


def train(words: list[str]) -> int:
    """Trains a model on the train split and tests its best epoch.

    A value comes from the default, then from the recipe, then from the option. A model
    has its own (`--model HHMPN --help`), as in `--model HHMPN --model.num_steps 2
    --model.f2l torch_geometric.nn.GATv2Conv --model.f2l.heads 1`.
    """
    from hetero_mmer import training
    from hetero_mmer.cli.model_words import check_parsed, model_options, recipe_first
    from hetero_mmer.run import needs_trust
    from hetero_mmer.spec import from_spec

    if any(word.split('=')[0] == '--resume' for word in words):
        parser = make_parser(train)
        parser.add_argument('--resume', help='Go on with the run in a folder.')
        add_trust(parser)
        parser.add_function_arguments(
            training.resume, skip={'run', 'trust', 'progress'}, as_positional=False
        )
        args = parse(parser, words, ' with --resume').as_dict()
        is_resumed, trust = True, args['trust']
        call = partial(training.resume, args.pop('resume'), **args)
    else:
        _check_before_torch(words)
        from torch.nn import Module  # All that follows imports a model.

        parser = _train_parser(Callable[[dict[str, int], int], Module])
        is_resumed, trust = False, '--trust' in words
        typed, words = words, recipe_first(words, options_of(parser), trust=trust)
        if '--help' in words and '--model' in words:
            parser = make_parser(train)
            model, facts = model_options(words)
            parser.add_class_arguments(model, 'model', skip=facts)
            words = ['--help']
        args = parse(parser, words).as_dict()
        spec, recipe = args.pop('model'), args.pop('recipe')
        if recipe and not trust:
            check_parsed(spec, typed)
        del args['resume'], args['trust']
        model = from_spec(spec, trust=True)
        call = partial(training.train, model, **args)
    from hetero_mmer.cli.tables import result_table

    folder = Path(call.keywords.get('out') or call.args[0])
    try:
        show(result_table(call(progress=True)))
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


def _train_parser(model: Any) -> ArgumentParser:
    """The parser of a run that starts.

    Args:
        model: The type of its model.
    """
    from jsonargparse import ActionConfigFile

    from hetero_mmer import training

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
    parser.add_function_arguments(
        training.train, skip={'model', 'progress'}, as_positional=False
    )
    return parser


def _check_before_torch(words: list[str]) -> None:
    """Refuses what is wrong besides the model, which takes torch, or shows the help."""
    from hetero_mmer import training
    from hetero_mmer.cli.model_words import words_but_model

    parser = _train_parser(Any)
    rest = words_but_model(words, options_of(parser))
    of_model = any(word.startswith('--model.') for word in words)
    if rest is None or (of_model and '--help' in words):
        return
    try:
        args = parse(parser, rest).as_dict()
    except argparse.ArgumentError as error:
        if of_model and 'are required' in str(error):
            return  # A wrong option goes first, and those of a model are not known yet.
        raise
    del args['resume'], args['recipe'], args['model'], args['trust']
    training.check_early(**args)
