"""Bodies of responses from servers that are not trusted."""

import zlib
from typing import Final

import httpx

from blog.delivery.transport import OutgoingRequestError

_GZIP: Final = zlib.MAX_WBITS | 16


async def read_body(response: httpx.Response, max_bytes: int, *, truncate: bool) -> bytes:
    """Return the decompressed body. Never holds more than `max_bytes` and one chunk, whatever the server sends.

    - `truncate`: cut a longer body. Otherwise it raises OutgoingRequestError, as an unknown or invalid compression does.
    """
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"gzip", "x-gzip", "identity", ""}:
        raise OutgoingRequestError("The response has an unknown compression.")
    inflater = zlib.decompressobj(_GZIP) if "gzip" in coding else None
    body = bytearray()
    async for chunk in response.stream:  # type: ignore[union-attr]
        body += _inflate(inflater, chunk, max_bytes + 1 - len(body)) if inflater else chunk
        if len(body) > max_bytes:
            break
    if len(body) > max_bytes and not truncate:
        raise OutgoingRequestError(f"The response has more than {max_bytes:,} bytes.")
    return bytes(body[:max_bytes])


def _inflate(inflater: "zlib._Decompress", chunk: bytes, limit: int) -> bytes:
    try:
        return inflater.decompress(chunk, limit)
    except zlib.error as error:
        raise OutgoingRequestError("The compression of the response is invalid.") from error
