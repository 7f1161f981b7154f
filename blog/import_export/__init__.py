"""Import of other blogs, and export of an account's data and of posts as Markdown files."""
