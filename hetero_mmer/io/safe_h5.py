"""HDF5 files of anybody: nothing outside is read, and no size believed unchecked.

A few bytes of HDF5 can declare a table of 10¹² rows, lead to other files, or inflate to
gigabytes. What is read here lies in the file itself, all of it, as hard links and plain
arrays, and is what its stored bytes can hold.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import zlib
from collections.abc import Iterator
from typing import Any, Final

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5i, h5l, h5o, h5t, h5z
from numpy.typing import NDArray

from hetero_mmer.errors import InputError, reason
from hetero_mmer.files.input import check_file
from hetero_mmer.files.plain import parse_json

#: Whatever h5py, NumPy and JSON raise at bytes that are damaged.
DAMAGE: Final = (
    *(OSError, RuntimeError, MemoryError, LookupError, ArithmeticError),
    *(ValueError, TypeError, AttributeError, SystemError),
)

#: Filters that are read. Others would load a plugin, or allocate what they are told to.
_FILTERS: Final = (
    *(h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_LZF),
    h5z.FILTER_FLETCHER32,
)

#: Zlib makes at most 1032 bytes of one; real data reach that if all are the same.
_MAX_RATIO: Final = 1100

#: So much may be declared beyond what a file is long, where it is compressed.
_SLACK: Final = 128 << 20

#: Stored chunks up to this size inflate to some 64 MiB at worst.
_SMALL_CHUNK: Final = 1 << 16

#: Groups in groups.
_MAX_DEPTH: Final = 32


def open_h5(path: str | os.PathLike[str], **options: Any) -> h5py.File:
    """Opens a file to read.

    Args:
        path: The file.
        options: Of ``h5py.File``.

    Raises:
        InputError: For anything but a regular file.
        OSError: If it is not HDF5, or damaged.
    """
    return h5py.File(check_file(path), 'r', **options)


def why_not_open(error: BaseException) -> str:
    """What an error of :func:`open_h5` means.

    Args:
        error: The error.

    Example:
        >>> why_not_open(OSError('file signature not found'))
        'it is not HDF5 (file signature not found)'
    """
    text = reason(error)
    if isinstance(error, BlockingIOError) or 'unable to lock file' in text:
        return 'another process has it open to write'
    if 'already open for write' in text:
        return 'a process that wrote it has not closed it, or was killed'
    if 'truncated' in text:
        return f'it is cut off: only a part of the file is there ({text})'
    if 'signature not found' in text:
        return f'it is not HDF5 ({text})'
    return f'it is not HDF5, or damaged ({text})'


def hint(path: str | os.PathLike[str]) -> str:
    """How a message about a damaged store goes on.

    Args:
        path: The store.
    """
    return f'; `validate({str(path)!r})` looks at it in a process of its own'


def attribute(node: h5py.Group | h5py.Dataset, name: str | bytes) -> Any:
    """What an attribute of a group or dataset holds, as h5py gives it.

    Args:
        node: The group or dataset.
        name: Name of the attribute.

    Returns:
        None if there is no such attribute.

    Raises:
        InputError: If it is large.
    """
    key = name.encode() if isinstance(name, str) else name
    if not h5a.exists(node.id, key):
        return None
    found = h5a.open(node.id, key)
    size, number = found.get_storage_size(), math.prod(found.shape)
    if found.dtype.hasobject and number > 1:  # All of them may be the same long one.
        size = number * _length(node)
    if size > _SLACK:
        raise _refused(node, f'has an attribute {name!r} of up to {size} bytes')
    return node.attrs[name]


def child(
    group: h5py.Group, name: str | bytes
) -> h5py.Group | h5py.Dataset | h5py.Datatype:
    """What lies under a name in a group of the same file.

    Args:
        group: The group.
        name: Its name, or a path of several; bytes where it is no text.

    Raises:
        KeyError: If there is nothing.
        InputError: For a link that leads elsewhere.
    """
    node: Any = group
    for part in name.split('/') if isinstance(name, str) else [name]:
        key = part.encode() if isinstance(part, str) else part
        if not isinstance(node, h5py.Group) or not node.id.links.exists(key):
            raise KeyError(f"there is no '{part!s}' in '{node.name}'")
        if node.id.links.get_info(key).type != h5l.TYPE_HARD:
            raise _refused(
                node, f"has a link to elsewhere, '{part!s}', which is never followed"
            )
        node = node[part]
    return node


def dataset_of(group: h5py.Group, name: str) -> h5py.Dataset:
    """A dataset that :func:`check_dataset` has nothing against.

    Args:
        group: A group above.
        name: Its name, or a path of several.

    Raises:
        KeyError: If there is none.
        InputError: As :func:`child` and :func:`check_dataset`.
    """
    node = child(group, name)
    if not isinstance(node, h5py.Dataset):
        raise KeyError(f"'{node.name}' is no dataset")
    check_dataset(node)
    return node


def check_dataset(dataset: h5py.Dataset) -> None:
    """Refuses what does not lie in the file itself, or declares more than it can hold.

    Chunks that were never written would be made up, so there are none. A compressed
    dataset declares at most 1100 times what is stored, which even zeros do not reach.

    Args:
        dataset: Any dataset; its values are not read.

    Raises:
        InputError: Says which, and why.
    """
    creation = dataset.id.get_create_plist()
    layout = creation.get_layout()
    if layout == h5d.VIRTUAL:
        raise _refused(dataset, 'is virtual: its values lie in other places')
    if creation.get_external_count():
        raise _refused(dataset, 'lies in another file, which is never read')
    filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
    # Each at most once, in this order, as h5py writes them: never deflated twice.
    places = [_FILTERS.index(f) if f in _FILTERS else -1 for f in filters]
    if -1 in places or places != sorted(set(places)) or {1, 2} <= set(places):
        raise _refused(
            dataset,
            f'has the filters {filters}: gzip, LZF, shuffle and Fletcher32 are read '
            '(`h5repack -f NONE` removes the others)',
        )
    if dataset.shape is None or not (declared := declared_bytes(dataset)):
        return
    stored, length = dataset.id.get_storage_size(), _length(dataset)
    if stored > length:
        raise _refused(
            dataset, f'declares {stored} stored bytes in a file of {length} bytes'
        )
    if layout == h5d.CHUNKED:
        _check_chunked(dataset, declared, stored, bool(filters))
    elif stored < declared:
        raise _refused(
            dataset, f'declares {declared} bytes of values, and {stored} are stored'
        )
    elif layout == h5d.CONTIGUOUS:
        offset = dataset.id.get_offset()
        if offset is None or offset + stored > length:
            raise _refused(dataset, f'ends after the end of the file of {length} bytes')
    kind = dataset.id.get_type()
    if isinstance(kind, h5t.TypeStringID) and kind.is_variable_str():
        if filters or layout not in (h5d.CHUNKED, h5d.CONTIGUOUS):
            raise _refused(dataset, 'has compressed strings of variable length')
        _check_lengths(dataset)


def _check_chunked(
    dataset: h5py.Dataset, declared: int, stored: int, filtered: bool
) -> None:
    chunk = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
    sides = zip(dataset.shape, dataset.chunks, strict=True)
    expected = math.prod(-(-size // side) for size, side in sides)
    found = dataset.id.get_num_chunks()
    if found != expected:
        raise _refused(
            dataset, f'declares {expected} chunks of values, and {found} are stored'
        )
    if filtered and declared > _MAX_RATIO * (stored + found):
        raise _refused(
            dataset, f'declares {declared} bytes of values, and {stored} are stored'
        )
    if filtered and chunk > _length(dataset) + _SLACK:
        raise _refused(dataset, f'is compressed in chunks of {chunk} bytes')
    if not filtered and stored < expected * chunk:
        raise _refused(
            dataset, f'declares {declared} bytes of values, and {stored} are stored'
        )


def _check_lengths(dataset: h5py.Dataset) -> None:
    """Refuses strings of variable length that the file has no room for.

    HDF5 allocates whatever length it finds before each of them, up to 4 GiB.
    """
    file = h5i.get_file_id(dataset.id)
    places = [(dataset.id.get_offset(), dataset.id.get_storage_size())]
    if dataset.chunks:
        places = []
        dataset.id.chunk_iter(lambda c: places.append((c.byte_offset, c.size)))
    total, width = 0, 8 + file.get_create_plist().get_sizes()[0]
    with open(os.fsdecode(h5f.get_name(dataset.id)), 'rb') as raw:
        for offset, size in places:
            raw.seek(offset)
            # Of each: a length of 4 bytes, an address, and an index of 4 bytes.
            found = np.frombuffer(raw.read(size - size % width), np.uint8)
            lengths = found.reshape(-1, width)[:, :4].copy().view('<u4')
            total += int(lengths.sum(dtype=np.int64))
    if total > _length(dataset):
        raise _refused(dataset, f'declares strings of {total} bytes')


def declared_bytes(dataset: h5py.Dataset) -> int:
    """What the values of a dataset take, as it says itself.

    Args:
        dataset: Any dataset.
    """
    return math.prod(dataset.shape or ()) * dataset.id.get_type().get_size()


def read_array(dataset: h5py.Dataset, kinds: str = 'biuf') -> NDArray:
    """All values of a dataset that :func:`dataset_of` gave.

    Args:
        dataset: The dataset.
        kinds: What may be in it, as NumPy's kinds of types.

    Raises:
        InputError: For anything but numbers, or more than the file is long, by far.
    """
    check_kind(dataset, kinds)
    if declared_bytes(dataset) > _length(dataset) + _SLACK:
        raise _refused(dataset, f'declares {declared_bytes(dataset)} bytes of values')
    return read_rows(dataset)


def check_kind(dataset: h5py.Dataset, kinds: str = 'biuf') -> None:
    """Refuses a dataset of other things than numbers.

    Args:
        dataset: The dataset.
        kinds: What may be in it, as NumPy's kinds of types.

    Raises:
        InputError: Says which.
    """
    if dataset.shape is None or dataset.dtype.kind not in kinds:
        what = 'nothing' if dataset.shape is None else f"the type '{dataset.dtype}'"
        raise _refused(dataset, f'holds numbers (got {what})')


def read_rows(
    dataset: h5py.Dataset, start: int = 0, stop: int | None = None
) -> NDArray:
    """Some rows of a dataset of numbers.

    Args:
        dataset: The dataset.
        start: The first row.
        stop: The row after the last one; all rows if None.

    Raises:
        InputError: For a chunk that inflates to more than it declares.
    """
    if not dataset.shape:
        return dataset[()]
    stop = len(dataset) if stop is None else stop
    check_streams(dataset, start, stop)
    return dataset[start:stop]


def check_streams(dataset: h5py.Dataset, start: int, stop: int) -> None:
    """Refuses a deflated chunk that inflates to more than it declares.

    HDF5 inflates to the end of the stream, whatever the size of a chunk. Only chunks
    that could become large are looked at, a few of real data.

    Args:
        dataset: The dataset.
        start: The first row.
        stop: The row after the last one.

    Raises:
        InputError: Says which.
    """
    creation = dataset.id.get_create_plist()
    filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
    if h5z.FILTER_DEFLATE not in filters or stop <= start:
        return
    chunk, limit = dataset.chunks, math.prod(dataset.chunks) * dataset.dtype.itemsize
    rows = range(start // chunk[0] * chunk[0], stop, chunk[0])
    others = [range(0, n, c) for n, c in zip(dataset.shape[1:], chunk[1:], strict=True)]
    for place in itertools.product(rows, *others):
        if dataset.id.get_chunk_info_by_coord(place).size <= _SMALL_CHUNK:
            continue
        mask, stream = dataset.id.read_direct_chunk(place)
        if mask >> filters.index(h5z.FILTER_DEFLATE) & 1:
            continue  # This one was stored as it is.
        if _inflates_beyond(stream, limit):
            raise _refused(
                dataset, f'has a chunk that inflates to more than its {limit} bytes'
            )


def _inflates_beyond(stream: bytes, limit: int) -> bool:
    inflate, count = zlib.decompressobj(), 0
    with contextlib.suppress(zlib.error):  # HDF5 will say so.
        while stream and not inflate.eof and count <= limit:
            count += len(inflate.decompress(stream, 1 << 20))
            stream = inflate.unconsumed_tail
    return count > limit


def write_text(group: h5py.Group, name: str, text: str) -> None:
    """Writes a string of fixed length.

    Those of variable length lie in heaps, where a damaged byte makes HDF5 loop.

    Args:
        group: The group.
        name: Name of the new dataset.
        text: The string, which does not end with a null character.
    """
    data = text.encode()
    group[name] = np.array(data, h5py.string_dtype('utf-8', max(1, len(data))))


def write_format(file: h5py.File, name: str, version: int) -> None:
    """Writes what a file is, in the same way.

    Args:
        file: The file.
        name: Name of its format.
        version: Version of that.
    """
    data = name.encode()
    file.attrs.create('format', data, dtype=h5py.string_dtype('utf-8', len(data)))
    file.attrs['format_version'] = version


def format_of(file: h5py.File) -> tuple[str | None, int | None]:
    """What a file says that it is: the name and the version of its format.

    Args:
        file: The file.
    """
    name, version = (attribute(file, key) for key in ('format', 'format_version'))
    name = name.decode() if isinstance(name, bytes) else name
    is_number = np.ndim(version) == 0 and isinstance(version, int | np.integer)
    return name if isinstance(name, str) else None, int(version) if is_number else None


def read_text(dataset: h5py.Dataset) -> bytes:
    """A single string, such as JSON.

    Args:
        dataset: A dataset without rows.

    Raises:
        InputError: For anything else.
    """
    if dataset.shape != () or not holds_text(dataset):
        raise _refused(dataset, 'is one string (got something else)')
    return bytes(dataset[()])


def read_json(dataset: h5py.Dataset) -> Any:
    """What a string says as JSON.

    Args:
        dataset: A dataset without rows.

    Raises:
        ValueError: If it is no JSON of a reasonable size.
    """
    return parse_json(read_text(dataset))


def read_strings(dataset: h5py.Dataset, longest: int = 1 << 16) -> list[bytes]:
    """The strings of a list, [N], of fixed or variable length.

    Args:
        dataset: The dataset.
        longest: How many bytes one may have; ids and names have far fewer.

    Raises:
        InputError: For anything else, or longer ones than any name.
    """
    if len(dataset.shape or ()) != 1 or not holds_text(dataset):
        raise _refused(dataset, 'is a list of strings (got something else)')
    text = f'has strings of up to {longest} bytes'
    if dataset.dtype.kind == 'S':
        width = dataset.dtype.itemsize
        if width > longest:
            raise _refused(dataset, f'{text} (got {width})')
        return read_array(dataset, 'S').tolist()
    found = [bytes(item) for item in dataset[()]]
    if (width := max(map(len, found), default=0)) > longest:
        raise _refused(dataset, f'{text} (got {width})')
    return found


def walk(
    file: h5py.File, max_objects: int
) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """All groups and datasets of a file, each once, by a path to it.

    Args:
        file: The file.
        max_objects: How many there may be.

    Raises:
        InputError: For more, and as :func:`child` and :func:`check_dataset`.
    """
    seen = {h5o.get_info(file.id).addr}
    stack: list[tuple[str, h5py.Group, Iterator[str]]] = [('', file, iter(list(file)))]
    while stack:
        path, group, names = stack[-1]
        name = next(names, None)
        if name is None:
            stack.pop()
            continue
        node = child(group, name)
        address = h5o.get_info(node.id).addr
        if address in seen or isinstance(node, h5py.Datatype):
            continue
        seen.add(address)
        if len(seen) > max_objects or len(stack) > _MAX_DEPTH:
            raise _refused(
                file,
                f'has more than {max_objects} objects, or groups '
                f'in more than {_MAX_DEPTH} others',
            )
        if isinstance(node, h5py.Dataset):
            check_dataset(node)
        else:
            stack.append((f'{path}{name!s}/', node, iter(list(node))))
        yield f'{path}{name!s}', node


def holds_text(dataset: h5py.Dataset) -> bool:
    """Whether a dataset is of strings.

    Args:
        dataset: The dataset.
    """
    # As h5py tells variable-length strings from other Python objects.
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    return is_text or dataset.dtype.kind == 'S'


def _length(node: h5py.Group | h5py.Dataset) -> int:
    # Never more than there is: HDF5 refuses a file that is shorter than it says.
    return h5i.get_file_id(node.id).get_filesize()


def _refused(node: h5py.Group | h5py.Dataset, problem: str) -> InputError:
    file = os.fsdecode(h5f.get_name(node.id))
    return InputError(f"cannot read '{file}': '{node.name}' {problem}")
