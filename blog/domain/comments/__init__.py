"""Comments, their moderation, and notifications about them."""
