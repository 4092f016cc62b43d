from __future__ import annotations

from pathlib import Path

from hetero_mmer.cli.console import say
from hetero_mmer.cli.dashes import as_typed
from hetero_mmer.cli.parser import Parser
from hetero_mmer.cli.track import track


def data_convert(words: list[str]) -> int:
    """Makes a store of raw files, and a report of what was kept, dropped and cleaned.

    A format has options of its own: `hetero-mmer data convert FORMAT --help`.
    """
    from hetero_mmer.datasets import FORMATS
    from hetero_mmer.errors import InputError, did_you_mean
    from hetero_mmer.store import NoSampleError
    from hetero_mmer.store.place import (
        check_report_path,
        write_report,
        write_report_of_none,
    )

    if not words or words[0].startswith('-'):
        parser = Parser(data_convert)
        parser.positional('format', f'One of {", ".join(FORMATS)}.')
        parser.parse(words)
    name = words[0]
    if name not in FORMATS:
        known = f'(known: {", ".join(FORMATS)})'
        hint = did_you_mean(name, FORMATS)
        raise InputError(f"unknown format '{name}' {known}{hint}")
    convert = FORMATS[name]
    parser = Parser(data_convert, name, convert)
    parser.positional('sources', 'The raw files.', '+')
    parser.option('output', str, 'The store to write.')
    parser.options_of(convert, skip={'sources', 'output', 'track'})
    args = parser.parse(words[1:])
    output = Path(args['output'])
    check_report_path(output)
    before = _file_number(output)
    try:
        converted = convert(**args, track=track)
    except NoSampleError as error:
        try:
            path = write_report_of_none(output, error.report)
        except (OSError, InputError) as other:
            raise InputError(f'{error}; its report: {other}') from error
        raise InputError(f"{error}; '{path}' has all reasons") from error
    except KeyboardInterrupt as stop:
        if _file_number(output) == before:
            stop.add_note(f"nothing was written to '{output}'")
        raise
    with converted as store:
        path = write_report(store)
        for note in store.attrs.get('notes', []):
            say(as_typed(note))
        say(f'{store.path}: {store}')
        say(f'{path}: {len(store)} samples kept, {len(store.dropped)} dropped')
    return 0


def _file_number(path: Path) -> int | None:
    """Which file it is; another one if it was written meanwhile."""
    return path.stat().st_ino if path.exists() else None
