"""One pass tells size, MD5 and SHA-256 of a file of any length."""

import hashlib
import io

import pytest

from edgecam.digest import BLOCK, digest


@pytest.mark.parametrize(("size", "blocks"), [(0, 0), (1, 1), (BLOCK, 1), (2 * BLOCK + 1, 3)])
def test_a_digest_is_of_the_whole_file_wherever_it_was_read_to(size: int, blocks: int) -> None:
    data, pulses = bytes(range(251)) * (size // 251 + 1), list[int]()
    file = io.BytesIO(data[:size])
    file.seek(size // 2)
    found = digest(file, lambda: pulses.append(1))
    assert found == (
        size,
        hashlib.md5(data[:size], usedforsecurity=False).hexdigest(),
        hashlib.sha256(data[:size]).hexdigest(),
    )
    assert len(pulses) == blocks
