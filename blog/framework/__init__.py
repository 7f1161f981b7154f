"""The parts that FastAPI would provide, by hand: authentication, request parsing, responses, caching and templates."""
