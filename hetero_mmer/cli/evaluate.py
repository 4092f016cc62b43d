from __future__ import annotations

from hetero_mmer.cli.console import show, show_json
from hetero_mmer.cli.parser import JSON, Parser, add_trust


def evaluate(words: list[str]) -> int:
    """Computes the metrics of a finished run."""
    from hetero_mmer import run

    parser = Parser(evaluate)
    parser.positional('run', 'Folder of the run.')
    parser.options_of(run.evaluate, skip={'run', 'trust'})
    add_trust(parser)
    parser.flag('json', JSON)
    args = parser.parse(words)
    as_json = args.pop('json', False)

    from hetero_mmer.cli.tables import result_table

    result = run.evaluate(**args)
    if as_json:
        show_json(result)
    else:
        show(result_table(result))
    return 0
