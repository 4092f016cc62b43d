from __future__ import annotations

from hetero_mmer.cli.console import say
from hetero_mmer.cli.parser import parse_data
from hetero_mmer.cli.track import track


def data_fetch(words: list[str]) -> int:
    """Downloads a data set and makes its store."""
    args = parse_data(data_fetch, words, name='One that `hetero-mmer data list` shows.')

    from hetero_mmer.datasets import fetch_data_set

    with fetch_data_set(**args, track=track) as store:
        say(f'{store.path}: {store}')
    return 0
