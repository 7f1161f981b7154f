"""Integrity checks of rows, search index, event log and image files, with repairs that lose no data.

A check reads everything of its kind in batches and changes nothing. A fault that can be repaired has a `repair`.
"""
