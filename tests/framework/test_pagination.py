"""Invalid cursors."""

import pytest

from blog.errors import InvalidInput
from blog.framework.response.pagination import decode_cursor, encode_cursor


def test_cursor_with_a_64_bit_id_is_valid() -> None:
    assert decode_cursor(encode_cursor(("2026-05-01", 2**63 - 1))) == ("2026-05-01", 2**63 - 1)


@pytest.mark.parametrize("number", [2**63, -(2**63)])
def test_cursor_beyond_64_bits_is_refused(number: int) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor(("2026-05-01", number)))
