"""Building a response: JSON, problem details, pagination and conditional requests."""
