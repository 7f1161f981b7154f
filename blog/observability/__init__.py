"""Logging, metrics, tracing, error reports and response timings."""
