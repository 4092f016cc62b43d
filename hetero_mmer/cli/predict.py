from __future__ import annotations

from hetero_mmer.cli.console import say
from hetero_mmer.cli.parser import Parser, add_trust


def predict(words: list[str]) -> int:
    """Writes the labels of new samples as CSV."""
    from hetero_mmer import run

    parser = Parser(predict)
    parser.positional('run', 'Folder of the run.')
    parser.positional('input', 'A store; needs no labels.')
    parser.options_of(run.predict, skip={'run', 'input', 'trust'})
    add_trust(parser)
    say(str(run.predict(**parser.parse(words))))
    return 0
