from __future__ import annotations

from dataclasses import asdict

from hetero_mmer.cli.console import show, show_json
from hetero_mmer.cli.parser import STORE, parse_data


def data_describe(words: list[str]) -> int:
    """Shows what a store holds."""
    args = parse_data(data_describe, words, store=STORE, json=True)

    from hetero_mmer.cli.tables import description_tables
    from hetero_mmer.datasets import resolve_data
    from hetero_mmer.store import describe

    found = describe(resolve_data(args['store'], args.get('root')))
    if 'json' in args:
        show_json(asdict(found))
    else:
        show(*description_tables(found))
    return 0
