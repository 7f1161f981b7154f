"""Files of other blogs, and settings: any content is accepted, or refused with a reason."""

import contextlib
import os
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blog.import_export.markdown import dates, shortcodes, source
from blog.import_export.markdown.folder import Rejection
from blog.import_export.markdown.source import SourcePost
from blog.settings import Settings, SettingsError, load_settings

LINES = (
    '---¦+++¦title: A¦title = "A"¦date: 2026-02-30¦date = 2026-01-01T25:00:00Z¦tags: [a, b¦- x¦  y: |¦slug: ../../x'
    "¦draft: maybe¦a: &a [*a]¦aliases: /x¦{% raw %}¦{% highlight %}¦{{ x }}¦\ttab¦é¦\0¦categories:¦  - 1: {2: 3}"
    "¦!!python/object:os.system x¦? [a]¦<<: *x¦date: 0001-01-01 00:00:00 +23:59¦Text."
)
lines = st.lists(st.sampled_from(LINES.split("¦")), max_size=14).map(lambda parts: "\n".join(parts).encode())
contents = st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")) | lines


class OneFile:
    """A folder tree with one file."""

    languages = frozenset({"de"})
    is_obsidian = True
    ignored_keys = frozenset[str]()

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, *_arguments: object) -> bytes:
        return self._data

    def section_doubt(self, _path: str) -> None:
        return None

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"reading one post does not need {name}")


@given(contents, st.sampled_from(["_posts/2026-01-31-a.md", "content/a/index.md", "x.md", "_drafts/0000-99-99-.md"]))
@example(b"---\ndate: 9999-12-31 23:59:59 -12:00\n---\n", "x.md")
def test_any_file_is_a_post_or_refused(data: Any, path: str) -> None:
    found = source.read_post(OneFile(data), path)  # type: ignore[arg-type]
    assert isinstance(found, SourcePost | Rejection)
    if isinstance(found, Rejection):
        assert str(found)


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            ["{%", "%}", "{{", "}}", " raw ", " endraw ", " highlight x ", "\n", "`", "<a", ">", "'", '"', " include x.html a=1 "]
        )
    ).map("".join)
)
def test_any_text_with_liquid_becomes_text(text: str) -> None:
    assert isinstance(shortcodes.to_markdown(text), str)


@given(st.text(max_size=40) | st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.datetimes())
def test_any_date_is_a_timestamp_or_none(value: Any) -> None:
    with contextlib.suppress(ValueError):
        assert dates.parse(value).tzinfo is not None


VALUES = (
    "¦ ¦-1¦0¦1e400¦nan¦inf¦true¦off¦/¦sqlite://¦sqlite:///¦postgresql://¦postgresql://a:b@[::1¦postgresql://h:99999999/x"
    "¦http://¦http://[¦https://a.example/b¦smtp://¦smtps://[x¦redis://¦redis://h:x¦1/minute¦0/second¦9999999999999/year¦a,b,,"
    "¦10.0.0.0/33¦٣¦https://[::1]:x"
)
text = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
values = text | st.sampled_from(VALUES.split("¦")) | st.integers().map(str)
NAMES = sorted(name.upper() for name in Settings.model_fields)


@given(st.dictionaries(st.sampled_from(NAMES), values, max_size=4))
def test_any_settings_are_accepted_or_refused_by_name(tmp_path_factory: pytest.TempPathFactory, variables: Any) -> None:
    folder = tmp_path_factory.getbasetemp()
    with contextlib.chdir(folder), mock.patch.dict(os.environ, {"DATABASE_URL": f"sqlite:///{folder / 'fuzz.db'}"} | variables):
        settings, said = _loaded()
        if settings is None:
            named = {line.partition(":")[0] for line in said.splitlines()}
            assert named & {*variables, "SECRET_KEY", "MAIL_FROM"}, said
        else:
            assert len(settings.secret_key.get_secret_value()) >= 32
            assert settings.database_name
            assert repr(settings)


def _loaded() -> tuple[Settings | None, str]:
    try:
        return load_settings(), ""
    except SettingsError as error:
        return None, str(error)
