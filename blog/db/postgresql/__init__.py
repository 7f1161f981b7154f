"""The PostgreSQL backend: one pool of connections, and write transactions that run one after the other.

Domain code reads and then writes what follows from it: is this name free, is this the last owner, which version is next? On
SQLite only one transaction writes at a time. An advisory lock gives PostgreSQL the same rule, so that the same code is correct
on both. Readers never wait, and single statements outside a transaction wait only for the rows that they change.

Taking the lock later, in the trigger of the event log, was measured: two processes wrote no more comments per second, because
each is bound by its own CPU core, and the comment counts of posts became wrong.
"""
