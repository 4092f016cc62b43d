"""Damages bytes as disks, downloads and editors do; equal seeds, equal damage."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

#: Numbers that sizes, counts and addresses overflow at.
_ODD: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**63 - 1)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to four kinds of damage, one after the other.

    Args:
        data: What to damage; at least one byte.
        rng: Decides how and where.
    """
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if changed:
            rng.choice(_KINDS)(changed, rng)
    return bytes(changed)


def _place(data: bytearray, rng: random.Random) -> int:
    """Somewhere, rather where something is: much of a file may be unused zeros."""
    for _ in range(50):
        place = rng.randrange(len(data))
        if any(data[max(0, place - 8) : place + 8]):
            break
    return place


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 4, 16))):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _replace(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    size = min(rng.choice((1, 2, 4, 8, 64)), len(data) - start)
    data[start : start + size] = rng.randbytes(size)


def _odd_number(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((1, 2, 4, 8))
    start = _place(data, rng) // size * size
    number = rng.choice(_ODD) & (1 << 8 * size) - 1
    data[start : start + size] = number.to_bytes(size, 'little')[: len(data) - start]


def _copy(data: bytearray, rng: random.Random) -> None:
    """Such as an address that another object has: links to itself, loops."""
    size = rng.choice((4, 8, 8, 8, 64))
    source, to = (_place(data, rng) // 8 * 8 for _ in range(2))
    part = data[source : source + size]
    data[to : to + len(part)] = part


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _zero(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    size = min(rng.choice((8, 64, 512)), len(data) - start)
    data[start : start + size] = bytes(size)


_KINDS: Final[tuple[Callable[[bytearray, random.Random], None], ...]] = (
    *(_flip, _flip, _replace, _replace, _odd_number, _odd_number, _copy, _copy),
    *(_zero, _cut),
)
