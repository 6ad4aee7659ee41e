"""Many keys hashed at once: what ``bucketing.murmur`` says of each, thirty times faster.

``flags plan`` hashes a million keys for each of a thousand flags, and a call for each costs more than the hash. Here
one step of the algorithm is one operation over a column of numbers. It has to be the same hash to the last bit, which
``tests/release/test_bulk.py`` holds it to; what serves requests is ``bucketing``, and it is frozen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hashes", "Keys"]

Hashes: TypeAlias = NDArray[np.uint32]


class Keys:
    """Encoded keys, prepared for hashing under any number of seeds.

    >>> from flagmiddleware.bucketing import seed
    >>> Keys([b"user-1", b"user-42"]).hashed(seed("new-checkout")).tolist()
    [512347407, 4036548753]
    """

    def __init__(self, encoded: Sequence[bytes]) -> None:
        self._size = len(encoded)
        self._alike = list(_alike(encoded))

    def hashed(self, seed: int) -> Hashes:
        """Each key's hash, in their order."""
        if len(self._alike) == 1:
            return _hashed(self._alike[0][1], self._alike[0][2], seed)
        found = np.empty(self._size, np.uint32)
        for places, size, blocks in self._alike:
            found[places] = _hashed(size, blocks, seed)
        return found


def _alike(encoded: Sequence[bytes]) -> Iterator[tuple[NDArray[np.intp], int, Hashes]]:
    """Keys of the same length: their places, the length, and what goes into their hashes whatever the seed is."""
    sizes = np.fromiter(map(len, encoded), np.intp, len(encoded))
    for size in np.unique(sizes).tolist():
        places = np.flatnonzero(sizes == size)
        # Padded with zeros to whole blocks of four bytes, which is how the algorithm reads the end of a key, too.
        text = np.zeros((len(places), -(-size // 4) * 4), np.uint8)
        joined = b"".join(encoded[place] for place in places.tolist())
        text[:, :size] = np.frombuffer(joined, np.uint8).reshape(len(places), size)
        blocks = np.ascontiguousarray(text.view("<u4").T, np.uint32)
        blocks *= np.uint32(0xCC9E2D51)
        blocks = (blocks << np.uint32(15)) | (blocks >> np.uint32(17))
        blocks *= np.uint32(0x1B873593)
        yield places, size, blocks


def _hashed(size: int, blocks: Hashes, seed: int) -> Hashes:
    found = np.full(blocks.shape[1], seed, np.uint32)
    spare = np.empty_like(found)
    for block in blocks[: size // 4]:
        found ^= block
        np.right_shift(found, 19, out=spare)
        np.left_shift(found, 13, out=found)
        found |= spare
        found *= np.uint32(5)
        found += np.uint32(0xE6546B64)
    for rest in blocks[size // 4 :]:
        found ^= rest
    found ^= np.uint32(size & 0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        np.right_shift(found, shift, out=spare)
        found ^= spare
        if factor != 1:
            found *= np.uint32(factor)
    return found
