from __future__ import annotations

from inspect import signature
from pathlib import Path

from hetero_mmer.cli.console import say, show, show_json
from hetero_mmer.cli.parser import JSON, STORE, Parser, add_root


def data_split(words: list[str]) -> int:
    """Deals the samples of a store into train, valid and test, or into folds.

    Writes a CSV file with a row for each sample, for `train --split_file`. Every part
    has nearly its share of each label; samples whose labels are unknown are in none.
    """
    from hetero_mmer.cli.tables import split_table
    from hetero_mmer.datasets import resolve_data
    from hetero_mmer.files.output import refuse_sources
    from hetero_mmer.store import Store, split_store, write_split
    from hetero_mmer.store.split_file import check_split_path
    from hetero_mmer.store.split_store import count_parts, largest_deviation, saw_test

    parser = Parser(data_split)
    parser.positional('store', STORE)
    parser.options_of(split_store, skip={'store', 'shares'})
    parser.option(
        'shares',
        float,
        'In folds, test has an equal share and the first two divide the rest.',
        signature(split_store).parameters['shares'].default,
        nargs=3,
        metavar=('TRAIN', 'VALID', 'TEST'),
    )
    parser.option('output', str, 'The CSV file to write.')
    parser.flag('json', JSON)
    add_root(parser)
    args = parser.parse(words)
    output, as_json = Path(args.pop('output')), args.pop('json', False)
    check_split_path(output)
    with Store(resolve_data(args.pop('store'), args.pop('root', None))) as store:
        refuse_sources(output, [store.path])
        columns = split_store(store, **args)
        write_split(output, store.ids, columns)
        assert store.labels is not None
        counts = count_parts(columns, store.labels, store.label_names)
        notes = {saw_test(store, split) for split in columns.values()} - {''}
        unknown = int((~store.known).sum())
    most = largest_deviation(counts)
    if unknown:
        notes.add(f'{unknown} samples whose labels are unknown are in no part')
    if as_json:
        show_json(
            {
                'path': str(output),
                'num_unknown': unknown,
                'columns': {
                    column: {part: count._asdict() for part, count in parts.items()}
                    for column, parts in counts.items()
                },
                'largest_deviation': most._asdict(),
                'notes': sorted(notes),
            }
        )
        return 0
    show(split_table(f'{output}: {", ".join(columns)}', counts))
    say(
        f'farthest from proportional: {most.samples} samples of {most.part} in '
        f"'{most.column}' have '{most.label}', {most.proportional:.1f} would be even"
    )
    for note in sorted(notes):
        say(f'note: {note}')
    return 0
