"""What FastAPI would have injected, by hand: who asks, what was sent, how to answer."""
