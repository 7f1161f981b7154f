"""Feeds, sitemap and descriptions for search engines and other sites."""
