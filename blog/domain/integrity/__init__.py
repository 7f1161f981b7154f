"""What must hold between rows, search index, event log and image files, and how to mend what does not.

Each check reads everything of its kind, in batches, and changes nothing. A fault that can be mended without losing anything
has its `repair`.
"""
