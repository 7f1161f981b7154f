"""PostgreSQL behind `databases`: one pool, many readers, and transactions that write one after the other.

The domain reads and then writes what follows from it: is this name free, who is the last owner, which version is this? On
SQLite only one transaction writes at a time, and so it is here, by an advisory lock: the same code means the same on both.
Readers never wait, and single statements that write wait only for the rows that they change.

The lock as late as possible, by the event log's trigger alone, was measured: two processes wrote as many comments in a second,
since each is bound by its own core, and the number of comments of each post came out wrong.
"""
