"""Import of folders of Markdown files written for Jekyll, Hugo, Zola or Eleventy."""
