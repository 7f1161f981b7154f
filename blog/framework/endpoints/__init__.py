"""Base classes and helpers of endpoints."""
