from __future__ import annotations

from dataclasses import asdict

from hetero_mmer.cli.console import say, show_json
from hetero_mmer.cli.dashes import as_typed
from hetero_mmer.cli.parser import STORE, parse_data


def data_validate(words: list[str]) -> int:
    """Reads a store through and tells what is suspicious; exit status 2 for errors."""
    args = parse_data(data_validate, words, store=STORE, json=True)

    from hetero_mmer.datasets import resolve_data
    from hetero_mmer.store import validate

    path = resolve_data(args['store'], args.get('root'))
    findings = validate(path)
    levels = [finding.level for finding in findings]
    errors, warned = levels.count('error'), levels.count('warning')
    if 'json' in args:
        found = {'path': str(path), 'errors': errors, 'warnings': warned}
        show_json({**found, 'findings': [asdict(one) for one in findings]})
    else:
        for finding in findings:
            say(as_typed(f'{finding.level}: {finding.sentence}'))
        say(f'{path}: errors {errors}, warnings {warned}')
    return 2 if errors else 0
