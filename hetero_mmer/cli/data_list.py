from __future__ import annotations

from hetero_mmer.cli.console import show, show_json
from hetero_mmer.cli.parser import parse_data


def data_list(words: list[str]) -> int:
    """Lists the data sets that are known by name."""
    args = parse_data(data_list, words, json=True)

    from hetero_mmer.cli.tables import data_sets_table
    from hetero_mmer.datasets import DATA_SETS, data_root

    stores = {
        d.name: data_root(args.get('root')) / d.file_name for d in DATA_SETS.values()
    }
    there = {name: str(path) for name, path in stores.items() if path.is_file()}
    if 'json' in args:
        keys = ['name', 'description', 'num_samples', 'label_names']
        keys += ['modalities', 'licence']
        facts = [
            {k: v for k, v in vars(one).items() if k in keys}
            for one in DATA_SETS.values()
        ]
        show_json([{**row, 'store': there.get(row['name'])} for row in facts])
    else:
        show(data_sets_table(DATA_SETS, there))
    return 0
