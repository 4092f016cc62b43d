from __future__ import annotations

from hetero_mmer.cli.console import say
from hetero_mmer.cli.parser import add_trust, make_parser, parse


def predict(words: list[str]) -> int:
    """Writes the labels of new samples as CSV."""
    from hetero_mmer import run

    parser = make_parser(predict)
    parser.add_argument('run', help='Folder of the run.')
    parser.add_argument('input', help='A store; needs no labels.')
    parser.add_function_arguments(
        run.predict, skip={'run', 'input', 'trust'}, as_positional=False
    )
    add_trust(parser)
    say(str(run.predict(**parse(parser, words).as_dict())))
    return 0
