"""The rate limit of messages from one client."""

from blog.live.token_bucket import TokenBucket


def test_client_that_was_idle_for_an_hour_gets_the_messages_of_one_minute() -> None:
    bucket = TokenBucket(10, now=0.0)
    assert [bucket.try_acquire(3_600.0) for _ in range(11)] == [True] * 10 + [False]


def test_tokens_are_refilled_evenly() -> None:
    bucket = TokenBucket(10, now=0.0)
    assert [bucket.try_acquire(0.0) for _ in range(11)] == [True] * 10 + [False]
    assert [bucket.try_acquire(6.0), bucket.try_acquire(6.0), bucket.try_acquire(12.0)] == [True, False, True]
