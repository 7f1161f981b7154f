"""The database: tables, connections and transactions, migrations, full-text search, dumps.

The package `databases` gives every task its own connection and one API for SQLite and PostgreSQL. Four defects make it unfit
for production; each has its fix here:

1. A transaction never returns its connection to the pool if BEGIN or COMMIT fails or is cancelled (`database.Transaction`).
2. A cancelled task leaves the driver in the middle of a call and its connection in an unknown state (`cancellation`).
3. On SQLite each query opens a new connection and thread. PRAGMAs are lost, and transactions begin DEFERRED: two of them that
   read and then write block each other (`sqlite`).
4. Each call compiles its query again, which takes longer than a short query itself (`compiled_queries`).
"""
