"""Every template is valid Jinja."""

from pathlib import Path

import jinja2
import pytest

from blog.framework.templating.resources import resource_dir

FOLDER = resource_dir("templates")


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.html")), ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_template_can_be_parsed(path: Path) -> None:
    jinja2.Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
