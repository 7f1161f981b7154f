"""Reading a request: context, JSON, forms and uploads."""
