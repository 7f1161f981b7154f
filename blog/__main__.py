"""Run the command `blog` as `python -m blog`."""

from blog.cli import main

if __name__ == "__main__":
    main()
