"""URLs by route name, and the route table as text."""
