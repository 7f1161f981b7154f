"""SQLite behind `databases`: one writer, several readers, all of them kept open.

Upstream opens a file, a connection and a thread for each query, keeps no PRAGMA, and begins transactions deferred, so that
two that read and then write lock each other out.
"""
