"""Which attributes of an ARFF file are labels, and what their values say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, did_you_mean
from hetero_mmer.files.input import check_file
from hetero_mmer.io.arff import Header, Row
from hetero_mmer.schema import UNKNOWN

#: How a label is written, in small letters, and whether it is present then.
PRESENT: Final[Mapping[str, int]] = {
    **dict.fromkeys(('0', '0.0', 'false', 'f', 'no', 'n'), 0),
    **dict.fromkeys(('1', '1.0', 'true', 't', 'yes', 'y'), 1),
}
_NUMBER: Final = -2
_WAYS: Final = (
    "Mulan's XML file, such as `labels='labels.xml'`, their number, `labels=6` for the "
    "first or `labels=-6` for the last, or their names, `labels=['joy', 'anger']`"
)


class Labels(NamedTuple):
    """Names of labels, the file that says them if one does, and what is to be told."""

    names: list[str]
    xml: Path | None
    notes: list[str]


def find_labels(header: Header, chosen: int | str | Sequence[str] | None) -> Labels:
    """Which attributes are labels.

    Args:
        header: The header of the file.
        chosen: The path of Mulan's XML file, how many come first, or last if it is
            negative, or names. If None, what MEKA's ``-C`` in the name of the relation
            says, or an XML file beside this one that is called like it.

    Raises:
        InputError: For labels that are no attributes, or all of them, or if nothing
            says which they are.
    """
    notes = []
    if chosen is None:
        chosen, note = _by_default(header)
        notes.append(note)
    xml = None
    if isinstance(chosen, int):
        names = _counted(header, chosen)
    elif isinstance(chosen, str) and chosen.lower().endswith('.xml'):
        xml = Path(chosen)
        names = read_xml(xml)
    else:
        names = [chosen] if isinstance(chosen, str) else list(chosen)
    check_attributes(header, names, f"in '{xml}'" if xml else 'for `labels=`')
    if len(names) >= len(header.attributes):
        raise InputError(
            f'an attribute is a feature if it is no label, but all '
            f"{len(header.attributes)} of '{header.path}' are labels"
        )
    return Labels(names, xml, notes)


def read_xml(path: Path) -> list[str]:
    """The labels that a file of Mulan's names, those of all levels of a hierarchy.

    Args:
        path: The file.

    Raises:
        InputError: For a file that cannot be read, or is another one.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), 'a.xml')
        >>> space = 'xmlns="http://mulan.sourceforge.net/labels"'
        >>> _ = path.write_text(f'<labels {space}><label name="joy"/></labels>')
        >>> read_xml(path)
        ['joy']
    """
    names = _LabelNames()
    try:
        parser = ElementTree.XMLParser(target=names)
        parser.feed(check_file(path).read_bytes())
        parser.close()
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"'{path}' is not an XML file of labels ({error})") from error
    if not names.found or len(set(names.found)) < len(names.found):
        raise InputError(
            f"'{path}' has a <label name=...> for each label, all different (got "
            f'{names.found})'
        )
    return names.found


class _LabelNames:
    """What the parser tells while it reads; nothing is kept but names."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition('}')[2] == 'label':
            if 'name' not in attributes:
                raise ValueError('a <label> has no name')
            self.found.append(attributes['name'])

    def doctype(self, *about: str) -> None:
        raise ValueError('it declares a document type')

    def close(self) -> None:
        pass


def check_attributes(header: Header, names: Sequence[str], where: str) -> None:
    """Refuses names that are no attributes, or come twice.

    Args:
        header: The header of the file.
        names: The names.
        where: Where they come from, for the message.

    Raises:
        InputError: For such names.
    """
    places = header.places
    if unknown := [name for name in names if name not in places]:
        raise InputError(
            f"'{header.path}' has no attribute {unknown[0]!r}, a name {where}"
            f'{did_you_mean(unknown[0], places)}'
        )
    if len(set(names)) < len(names):
        raise InputError(f'names {where} are all different (got {list(names)})')


def train_share(relation: str, num_rows: int) -> tuple[int, str] | None:
    """How many rows are train as MEKA's options in a relation say, and the option.

    Args:
        relation: Its name, such as ``Music: -C 6 -split-number 400``.
        num_rows: How many rows there are.

    Example:
        >>> train_share('Music: -C 6 -split-percentage 66', 50)
        (33, '-split-percentage 66')
    """
    if number := _option(relation, 'split-number'):
        return min(int(number), num_rows), f'-split-number {number}'
    if percentage := _option(relation, 'split-percentage', r'\d{1,3}(?:\.\d{1,9})?'):
        count = int(num_rows * float(percentage) / 100 + 0.5)
        return min(count, num_rows), f'-split-percentage {percentage}'
    return None


class LabelColumns:
    """The labels of the rows of one file.

    Args:
        header: Its header.
        names: The labels.

    Raises:
        InputError: For an attribute whose values are other than no and yes.
    """

    def __init__(self, header: Header, names: Sequence[str]) -> None:
        self.header, self.names = header, list(names)
        self.places = [header.places[name] for name in names]
        self._code = np.array([self._present(j) for j in self.places])

    def read(self, row: Row) -> NDArray[np.uint8]:
        """The labels of a row of these attributes, [L]: 0, 1, or 255 for unknown ones.

        Args:
            row: The row.

        Raises:
            InputError: For a number that is neither 0 nor 1.
        """
        x = row.values
        is_known = ~np.isnan(x)
        y = np.where(self._code == _NUMBER, x, x == self._code)
        if (wrong := is_known & (y != 0) & (y != 1)).any():
            i = int(wrong.argmax())
            raise InputError(
                f"labels are 0 or 1 (got {x[i]:g} for '{self.names[i]}' in line "
                f"{row.line} of '{self.header.path}')"
            )
        return np.where(is_known, y, UNKNOWN).astype(np.uint8)

    def _present(self, j: int) -> float:
        """The index of the value that says yes, -1 if none does."""
        one = self.header.attributes[j]
        if one.kind == 'numeric':
            return _NUMBER
        code = present_code(one.values) if one.kind == 'nominal' else None
        if code is None:
            got = f'{{{", ".join(one.values)}}}' if one.kind == 'nominal' else one.kind
            raise InputError(
                f"a label is 0 or 1, no or yes, false or true, but '{one.name}' of "
                f"'{self.header.path}' is {got[:200]}: say which attributes are labels "
                'with `labels=`'
            )
        return code


def present_code(values: Sequence[str]) -> int | None:
    """The index of the value that says yes; -1 if none does, None if others are there.

    Args:
        values: The values of a nominal attribute.

    Example:
        >>> present_code(['no', 'yes']), present_code(['1', '0']), present_code(['0'])
        (1, 0, -1)
        >>> present_code(['red', 'green']) is None
        True
    """
    says = [PRESENT.get(value.strip().lower()) for value in values]
    if None in says or len(set(says)) < len(says):
        return None
    return says.index(1) if 1 in says else -1


def sparse_notes(header: Header, names: Sequence[str]) -> Iterator[str]:
    """What is easily wrong in sparse rows: the value of a label that one leaves out.

    Args:
        header: The header of the file.
        names: The labels.
    """
    attributes = header.attributes
    listed = [(name, attributes[header.places[name]].values) for name in names]
    some = [(name, values) for name, values in listed if present_code(values) == 0]
    if some:
        name, values = some[0]
        yield (
            f'rows are sparse, and the first value of {len(some)} labels, such as '
            f"'{name}' {{{','.join(values)}}}, says yes: by the rules of ARFF a row "
            'that leaves such a label out has it'
        )


def _by_default(header: Header) -> tuple[int | str, str]:
    if count := _option(header.relation, '[Cc]'):
        return int(count), f'labels are those that -C {count} in the relation counts'
    stem = header.path.stem
    beside = header.path.parent.glob('*.xml')
    found = [path for path in beside if path.stem and stem.startswith(path.stem)]
    if len(found) == 1:
        return str(found[0]), f"labels are those of '{found[0]}'"
    raise InputError(
        f"nothing says which attributes of '{header.path}' are labels: give {_WAYS}"
    )


def _counted(header: Header, count: int) -> list[str]:
    size = len(header.attributes)
    if not 0 < abs(count) < size:
        raise InputError(
            f'the number of labels is from 1 to {size - 1}, or negative for the last '
            f"attributes (got {count} for '{header.path}')"
        )
    some = header.attributes[:count] if count > 0 else header.attributes[count:]
    return [one.name for one in some]


def _option(relation: str, name: str, value: str = r'-?\d{1,9}') -> str | None:
    found = re.search(rf'(?:[:\s]|^)-{name}\s+({value})(?!\S)', relation)
    return found[1] if found else None
