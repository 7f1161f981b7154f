"""Posts: writing, lists, versions, drafts, search and feeds."""
