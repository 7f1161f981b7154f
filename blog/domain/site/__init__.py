"""The site itself: feature flags, preferences, static pages and statistics."""
