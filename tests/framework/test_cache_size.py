"""The size that the response cache counts is exact: it enforces the limit of the cache."""

from blog.framework.caching.response_cache import CachedResponse, ResponseCache

KEY = (b"/", b"", "")


def response(size: int) -> CachedResponse:
    return CachedResponse((), (), b"x" * size, b'"t"', frozenset({"posts"}), "/", None, float("inf"))


def test_evicted_response_frees_its_compressed_copies() -> None:
    cache = ResponseCache(1_000_000, 60)
    plain, compressed = response(5000), response(500)
    cache.store(KEY, plain, cache.generation)
    assert len(cache) == 1
    cache.store_encoded(KEY, plain, b"gzip", compressed)
    cache.store_encoded(KEY, plain, b"gzip", compressed)
    assert cache.size == plain.size + compressed.size
    cache.invalidate(["posts"])
    assert (len(cache), cache.size) == (0, 0)
