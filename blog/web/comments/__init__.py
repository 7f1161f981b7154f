"""Comment forms, moderation and notifications."""
