from __future__ import annotations

from hetero_mmer.cli.console import show, show_json
from hetero_mmer.cli.parser import JSON, add_trust, make_parser, parse


def evaluate(words: list[str]) -> int:
    """Computes the metrics of a finished run."""
    from hetero_mmer import run

    parser = make_parser(evaluate)
    parser.add_argument('run', help='Folder of the run.')
    parser.add_function_arguments(
        run.evaluate, skip={'run', 'trust'}, as_positional=False
    )
    add_trust(parser)
    parser.add_argument('--json', action='store_true', help=JSON)
    args = parse(parser, words).as_dict()
    as_json = args.pop('json')

    from hetero_mmer.cli.tables import result_table

    result = run.evaluate(**args)
    if as_json:
        show_json(result)
    else:
        show(result_table(result))
    return 0
