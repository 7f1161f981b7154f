"""Shared basis of all features: the context of a call, permissions, events, audit log, signing and storage."""
