"""The database: every column once (`tables`), connections and transactions (`database`, `sqlite`), migrations."""
