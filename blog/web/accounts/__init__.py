"""Registration, sign-in and account settings."""
