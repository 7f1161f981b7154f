"""The SQLite backend: one writer and several readers, which stay open.

`databases` opens the file, a connection and a thread for each query. It sets no PRAGMA, and begins transactions DEFERRED: two
transactions that read and then write lock each other out.
"""
