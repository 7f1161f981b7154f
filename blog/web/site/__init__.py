"""Static pages such as `/about`."""
