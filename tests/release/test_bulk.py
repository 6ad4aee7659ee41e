"""The hash of many keys at once, held to the hash of one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware.bucketing import murmur, seed
from flagmiddleware.release.bulk import Keys


@given(st.lists(st.binary(max_size=70)), st.text(max_size=20) | st.just("\ud800"))
def test_many_keys_hash_as_each_of_them_does(keys: list[bytes], salt: str) -> None:
    """Law: a column of keys of any lengths hashes to what ``bucketing`` says of each, in their order."""
    assert Keys(keys).hashed(seed(salt)).tolist() == [murmur(key, seed(salt)) for key in keys]


def test_the_last_block_of_each_length_is_read() -> None:
    """Every length up to forty, with bytes beyond 127 in each place, so that no sign and no byte is lost."""
    keys = [bytes(range(255, 255 - size, -1)) for size in range(41)]
    assert Keys(keys).hashed(0xFFFFFFFF).tolist() == [murmur(key, 0xFFFFFFFF) for key in keys]
