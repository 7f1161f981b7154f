"""Import from other blogs: a folder of Markdown files, as Jekyll, Hugo, Zola and Eleventy keep them."""
