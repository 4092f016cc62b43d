"""Tables of what commands found, as text: facts are rows, things are columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from hetero_mmer.files.escape import visible

if TYPE_CHECKING:
    from hetero_mmer.datasets import DataSet
    from hetero_mmer.store import Description
    from hetero_mmer.store.split_store import Counts

#: A wider column shares a line with others and folds its texts.
_COLUMN: Final = 16

#: With more labels, a table of all their pairs is none to read.
_PAIRS: Final = 12


class Table(NamedTuple):
    """A title, names of columns, and rows; the first column names the rows."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]


def render(
    tables: Iterable[Table], *, width: int | None = None, encoding: str = 'utf-8'
) -> str:
    """Tables as they are printed; nothing in them is cut.

    Args:
        tables: What to show.
        width: That of the terminal: longer texts are folded, and columns that do not
            fit go below the others. By default everything has its full width.
        encoding: That of the output; ASCII draws the frames where it has none.

    Example:
        >>> table = Table('Songs', ['', 'value'], [['joy', 3]])
        >>> print(render([table], encoding='ascii'))
        Songs
        +-------------+
        |     | value |
        |-----+-------|
        | joy | 3     |
        +-------------+
    """
    parts = []
    for title, head, rows in tables:
        cells = [[_cell(value, encoding) for value in row] for row in [head, *rows]]
        widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
        total = sum(widths) + 3 * len(widths) + 1 if width is None else width
        parts.append(visible(title))
        for columns in _blocks(widths, total):
            block = [[row[c] for c in columns] for row in cells]
            parts.append(_draw(block, total, encoding))
    return '\n'.join(parts)


def data_sets_table(sets: Mapping[str, DataSet], stores: Mapping[str, str]) -> Table:
    """The data sets that are known by name.

    Args:
        sets: All of them.
        stores: The stores of those that are there.
    """
    rows: list[list[Any]] = []
    for name, one in sets.items():
        facts = {
            'what': one.description,
            'samples': one.num_samples,
            'modalities': one.modalities,
            'labels': one.label_names,
            'licence': one.licence,
            'store': stores.get(name, f'not there yet: hetero-mmer data fetch {name}'),
        }
        rows += [[name * (not i), *fact] for i, fact in enumerate(facts.items())]
    return Table('Data sets', ['name', '', ''], rows)


def result_table(result: Mapping[str, Any]) -> Table:
    """The metrics of a run.

    Args:
        result: What :func:`hetero_mmer.run.evaluate` returns.
    """
    title = f'{result["model"]} on {result["data"]}, {result["split"]} split'
    rows: list[list[Any]] = []
    for key in ('seed', 'threshold', 'monitor', 'best_epoch'):
        if isinstance(value := result[key], Mapping):  # One for each label.
            rows += [[f'{key} {name}', each] for name, each in value.items()]
        else:
            rows.append([key, value])
    rows += [[name, f'{value:.4f}'] for name, value in result['metrics'].items()]
    if not result['metrics']:
        rows.append(['metrics', 'not scored: labels are unknown'])
    return Table(title, ['', 'value'], rows)


def description_tables(it: Description) -> list[Table]:
    """What a store holds.

    Args:
        it: What :func:`hetero_mmer.store.describe` returns.
    """
    tables = [_about(it), _modalities(it)]
    if it.label_counts is not None and it.split_label_counts is not None:
        sizes = {'all': sum(it.split_labelled.values()), **it.split_labelled}
        counts = {'all': it.label_counts, **it.split_label_counts}
        rows: list[list[Any]] = [['samples', *sizes.values()]]
        rows += [
            [name, *(_share(counts[s][name], sizes[s]) for s in sizes)]
            for name in it.label_names
        ]
        head = ['', *map(_split, sizes)]
        tables.append(Table('Labels: samples that have them', head, rows))
    if it.co_occurrence is not None and len(it.label_names) > 1:
        tables.append(_pairs(it.label_names, it.co_occurrence))
    return tables


def split_table(title: str, counts: Counts) -> Table:
    """The samples and labels of each part; from least to most where there are folds.

    Args:
        title: Of the table.
        counts: What :func:`hetero_mmer.store.split_store.count_parts` returns.
    """
    first, *_ = counts.values()
    of = {part: [parts[part] for parts in counts.values()] for part in first}
    rows = [['samples', *(_range([c.samples for c in of[p]]) for p in of)]]
    for label in first['train'].labels:
        shares = ([c.labels[label] / c.samples for c in of[part]] for part in of)
        rows.append([label, *(_range(some, '.1%') for some in shares)])
    return Table(title, ['', *of], rows)


def _range(values: Sequence[float], form: str = '') -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f'{low} to {high}'


def _about(it: Description) -> Table:
    splits = ', '.join(f'{_split(s)}: {count}' for s, count in it.splits.items())
    others = ['intensities'] * it.intensities + list(it.extras)
    rows: list[list[Any]] = [
        ['samples', it.num_samples],
        ['splits', splits],
        ['groups', it.num_groups],
        ['groups across splits', _some(it.groups_across_splits)],
        ['ids of several samples', _some(it.duplicate_ids)],
        ['labels', len(it.label_names) if it.label_counts else it.label_names],
        ['labels per sample', it.cardinality],
        ['samples with no label', it.without_labels],
        ['samples of unknown labels', it.num_samples - sum(it.split_labelled.values())],
        ['other arrays', ', '.join(others) or None],
        ['samples dropped', len(it.dropped)],
        ['not finite became', it.clean],
        ['source', it.source or None],
        ['licence', it.licence or None],
        ['citation', it.citation or None],
        *(['raw file', f'{n} (SHA-256 {sha})'] for n, sha in it.raw_sha256.items()),
        ['attributes', tuple(it.attrs)],
        ['size', f'{it.num_bytes / 1e6:.1f} MB'],
    ]
    return Table('About', ['store', it.path], rows)


def _modalities(it: Description) -> Table:
    facts: dict[str, list[Any]] = {}
    segments, names = ['segments'], ['names']
    for m in it.modalities.values():
        ids = m.num_embeddings is not None
        for fact, value in {
            'width': f'ids below {m.num_embeddings}' if ids else m.channels,
            'kind': m.kind,
            'items': m.num_items,
            'items per sample': f'{m.items_min} to {m.items_max}',
            'median': m.items_median,
            'samples without': m.missing,
            'least value': m.minimum,
            'greatest value': m.maximum,
            'not finite': m.non_finite,
            'type': m.dtype,
            'extractor': m.extractor or None,
            'encoder': m.fitted,
            'of items': ' and '.join(segments * m.segmented + names * m.named) or None,
        }.items():
            facts.setdefault(fact, []).append(value)
    rows = [[fact, *values] for fact, values in facts.items()]
    return Table('Modalities', ['', *it.modalities], rows)


def _pairs(names: Sequence[str], both: Sequence[Sequence[int]]) -> Table:
    if len(names) <= _PAIRS:
        rows = [[name, *row] for name, row in zip(names, both, strict=True)]
        return Table('Labels: samples that have both of two', ['', *names], rows)
    pairs = combinations(range(len(names)), 2)
    most = sorted(pairs, key=lambda pair: -both[pair[0]][pair[1]])[:_PAIRS]
    found = [[names[i], names[j], both[i][j]] for i, j in most]
    return Table('Labels: the pairs that are most frequent', ['', '', 'both'], found)


def _split(name: str) -> str:
    return name or 'no split'


def _share(count: int, size: int) -> str:
    return f'{count} ({count / size:.1%})' if size else '-'


def _some(names: Sequence[str]) -> str:
    """How many there are, and the first."""
    if not names:
        return '0'
    more = ', …' if len(names) > 5 else ''
    return f'{len(names)} ({", ".join(names[:5])}{more})'


def _cell(value: Any, encoding: str) -> str:
    if isinstance(value, list | tuple):
        return ', '.join(_cell(item, encoding) for item in value) or '-'
    if value is None:
        return '-'
    if isinstance(value, float):
        return f'{value:.4g}'
    # Letters that the output lacks become escapes before their width counts.
    return visible(str(value)).encode(encoding, 'backslashreplace').decode(encoding)


def _blocks(widths: Sequence[int], total: int) -> list[list[int]]:
    """Columns that fit beside the first one, a list for each table."""
    room = total - min(widths[0], max(total // 3, _COLUMN)) - 4
    blocks: list[list[int]] = []
    left = 0
    for column, width in enumerate(widths[1:], 1):
        need = min(width, _COLUMN) + 3
        if need > left:
            blocks.append([0])
            left = room
        blocks[-1].append(column)
        left -= need
    return blocks


def _draw(cells: Sequence[Sequence[str]], width: int, encoding: str) -> str:
    columns = [Column(Text(name), overflow='fold') for name in cells[0]]
    frame = box.HEAVY_HEAD if _has_frames(encoding) else box.ASCII
    table = RichTable(*columns, box=frame)
    for i, row in enumerate(cells[1:]):
        if i and row[0] and not cells[i][0]:  # What has several rows ends here.
            table.add_section()
        table.add_row(*map(Text, row))
    console = Console(
        file=StringIO(),
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
    )
    with console.capture() as found:
        console.print(table)
    return found.get().rstrip('\n')


def _has_frames(encoding: str) -> bool:
    try:
        str(box.HEAVY_HEAD).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
