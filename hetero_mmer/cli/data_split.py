from __future__ import annotations

from pathlib import Path

from hetero_mmer.cli.console import say, show, show_json
from hetero_mmer.cli.parser import JSON, STORE, make_parser, parse


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

    parser = make_parser(data_split)
    parser.add_argument('store', help=STORE)
    parser.add_function_arguments(
        split_store, skip={'store', 'shares'}, as_positional=False
    )
    parser.add_argument(
        '--shares',
        nargs=3,
        type=float,
        metavar=('TRAIN', 'VALID', 'TEST'),
        default=[0.6, 0.15, 0.25],
        help='In folds, test has an equal share and the first two divide the rest.',
    )
    parser.add_argument('--output', required=True, help='The CSV file to write.')
    parser.add_argument('--json', action='store_true', help=JSON)
    parser.add_argument('--root', help='Folder where named data sets lie.')
    args = parse(parser, words)
    output = Path(args.output)
    check_split_path(output)
    with Store(resolve_data(args.store, args.root)) as store:
        refuse_sources(output, [store.path])
        columns = split_store(
            store, folds=args.folds, by=args.by, shares=args.shares, seed=args.seed
        )
        write_split(output, store.ids, columns)
        assert store.labels is not None
        counts = count_parts(columns, store.labels, store.label_names)
        notes = {saw_test(store, split) for split in columns.values()} - {''}
        unknown = int((~store.known).sum())
    most = largest_deviation(counts)
    if unknown:
        notes.add(f'{unknown} samples whose labels are unknown are in no part')
    if args.json:
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
