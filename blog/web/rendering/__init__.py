"""Rendering of pages: templates, themes, redirects and error pages."""
