"""Authentication: sessions, bearer tokens and known devices."""
