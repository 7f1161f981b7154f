"""The site itself: feature flags, preferences, static pages, statistics and the state of the database."""
