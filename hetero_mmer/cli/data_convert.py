from __future__ import annotations

from pathlib import Path

from hetero_mmer.cli.console import say
from hetero_mmer.cli.parser import make_parser, parse, refuse


def data_convert(words: list[str]) -> int:
    """Makes a store of raw files, and a report of what was kept, dropped and cleaned.

    A format has options of its own: `hetero-mmer data convert FORMAT --help`.
    """
    from hetero_mmer.datasets import FORMATS
    from hetero_mmer.errors import InputError
    from hetero_mmer.store import NoSampleError
    from hetero_mmer.store.place import (
        check_report_path,
        write_report,
        write_report_of_none,
    )

    if not words or words[0].startswith('-'):
        parser = make_parser(data_convert)
        parser.add_argument('format', help=f'One of {", ".join(FORMATS)}.')
        parse(parser, words)
    if words[0] not in FORMATS:
        known = f'(known: {", ".join(FORMATS)})'
        refuse(f"unknown format '{words[0]}' {known}", words[0], FORMATS)
    convert = FORMATS[words[0]]
    parser = make_parser(data_convert, words[0], convert)
    parser.add_argument('sources', nargs='+', help='The raw files.')
    parser.add_argument('--output', required=True, help='The store to write.')
    parser.add_function_arguments(
        convert, skip={'sources', 'output', 'progress'}, as_positional=False
    )
    for action in parser._actions:
        if isinstance(action.default, bool):  # `--strict` alone is enough.
            action.nargs, action.const = '?', True
    args = parse(parser, words[1:]).as_dict()
    output = Path(args['output'])
    check_report_path(output)
    before = _file_number(output)
    try:
        converted = convert(**args, progress=True)
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
            say(note)
        say(f'{store.path}: {store}')
        say(f'{path}: {len(store)} samples kept, {len(store.dropped)} dropped')
    return 0


def _file_number(path: Path) -> int | None:
    """Which file it is; another one if it was written meanwhile."""
    return path.stat().st_ino if path.exists() else None
