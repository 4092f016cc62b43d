"""Small damage to files, drawn by Hypothesis."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

#: What is put where a number, a word or a mark stood.
WORDS = (
    'nan', '-inf', '1e400', '-1', '0', '1.5', '9' * 30, '1' * 5000, '1e-320', '0x10',
    'true', 'null', '~', '""', '[]', '{}', '[[[[1]]]]', '{"a": {"a": 1}}', '"é"',
    '\x00', '\x1b[31m', '\ufeff', '\u202e', "'", '"', ',', '\t', '\r', '\n', '?', '%',
    '=1+1', '../../x', '/etc/passwd', 'C:\\x', '&a [*a, *a]', '<<: *a', '!!python/none',
    "!!python/object/apply:canary.run ['x']", 'canary.run', 'canary.Canary',
    'subprocess.Popen', 'os.system', 'builtins.eval', 'torch.hub.load',
    'torch.nn.Linear', 'torch.optim.SGD', 'hetero_mmer.training.train',
    'torch_geometric.nn.GATv2Conv', 'hetero_mmer.models.CARAT',
    '[' * 3000, '{"a":' * 3000, '- ' * 2000, '99999999999', '2147483648',
)  # fmt: skip

#: What is written over bytes.
BYTES = (
    b'\x00', b'\xff', b'\x7f', b'\x80', b'\x00' * 8, b'\xff' * 8, b'\x00' * 64,
    b'\x00\x00\x00\x80', b'\xff\xff\xff\x7f', b'\x00' * 7 + b'\x01',
    b'\x00\x00\x00\x00\x00\x00\xf0\x7f', b'\x00\x00\xc0\x7f', b'PK\x03\x04',
    b'\x89HDF\r\n\x1a\n', b'ccanary\nrun\n)R.', b'\x80\x04.', b'TREE', b'SNOD',
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Edit:
    """One change, at a part of the length of the file from 0 to 1."""

    kind: str
    place: float
    size: int
    value: bytes

    def __repr__(self) -> str:
        value = self.value[:40]
        return f'Edit({self.kind}, {self.place}, {self.size}, {value!r}…)'

    def __call__(self, data: bytes) -> bytes:
        """The changed file."""
        at = _something(data, self.place)
        if self.kind == 'cut':
            return data[: int(self.place * len(data))]
        if self.kind == 'drop':
            return data[:at] + data[at + self.size :]
        if self.kind == 'repeat':
            return data[: at + self.size] + data[at : at + self.size] + data[at + 1 :]
        if self.kind == 'insert':
            return data[:at] + self.value + data[at:]
        if self.kind == 'flip' and data:
            flipped = bytes([data[at] ^ (1 << self.size % 8)])
            return data[:at] + flipped + data[at + 1 :]
        if self.kind == 'word':
            return self._word(data)
        if self.kind == 'number':  # In its place, as sizes and addresses have one.
            at -= at % len(self.value)
        value = self.value
        if self.kind == 'copy':  # Such as an address: links to itself, loops.
            at, start = at & ~7, _something(data, self.place * self.size % 1) & ~7
            value = data[start : start + 8]
        return data[:at] + value[: len(data) - at] + data[at + len(value) :]

    def _word(self, data: bytes) -> bytes:
        """Puts the value where a word, a number, or a mark stood."""
        found = list(re.finditer(rb'[\w.+-]+|[^\w\s]', data))
        if not found:
            return self.value
        one = found[min(int(self.place * len(found)), len(found) - 1)]
        return data[: one.start()] + self.value + data[one.end() :]


def _something(data: bytes, part: float) -> int:
    """A place where something is: much of a file may be unused zeros."""
    at = min(int(part * len(data)), max(0, len(data) - 1))
    if any(data[max(0, at - 8) : at + 8]):
        return at
    rest = data[at:].lstrip(b'\0')
    return len(data) - len(rest) if rest else at


PLACE = st.integers(0, 2**20).map(lambda i: i / 2**20)
SIZE = st.one_of(st.integers(1, 64), st.sampled_from([512, 4096, 65536]))


def _edit(kinds: tuple[str, ...], value: st.SearchStrategy[bytes]) -> st.SearchStrategy:
    return st.builds(Edit, st.sampled_from(kinds), PLACE, SIZE, value)


#: Numbers that sizes, counts and addresses overflow at, in 1 to 8 bytes.
_NUMBERS = st.builds(
    lambda number, size: (number & (1 << 8 * size) - 1).to_bytes(size, 'little'),
    st.sampled_from((0, 1, 0x7F, 0x80, 0x7FFF, 2**31 - 1, 2**63 - 1, -1)),
    st.sampled_from((1, 2, 4, 8)),
)
_BYTES = _edit(('over', 'flip', 'cut', 'drop', 'repeat', 'insert'),
               st.sampled_from(BYTES) | st.binary(min_size=1, max_size=8))  # fmt: skip
_WORDS = _edit(('word',), st.sampled_from([word.encode() for word in WORDS]))

#: Edits of files of bytes, and of text, one after the other.
BINARY = st.lists(
    _BYTES | _BYTES | _edit(('number', 'copy'), _NUMBERS), min_size=1, max_size=4
)
TEXT = st.lists(_WORDS | _WORDS | _BYTES, min_size=1, max_size=3)


def edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    """A file after edits."""
    for edit in edits:
        data = edit(data)
    return data
