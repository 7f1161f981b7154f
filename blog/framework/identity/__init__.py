"""Who sends a request: sessions, bearer tokens and known devices."""
