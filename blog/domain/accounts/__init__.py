"""Accounts, sessions, API tokens and credentials."""
