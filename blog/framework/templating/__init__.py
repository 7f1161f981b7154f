"""Jinja templates, static assets and image sizes."""
