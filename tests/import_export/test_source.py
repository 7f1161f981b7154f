"""Reading a folder: which files are posts, how they are parsed, and what is rejected."""

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest

from blog.errors import InvalidInput
from blog.import_export.markdown import folder as markdown_folder
from blog.import_export.markdown import slugs, source
from blog.import_export.markdown.folder import Rejection
from blog.import_export.markdown.source import SourcePost
from blog.import_export.markdown.visibility import DateSource
from blog.schemas.fields import MAX_CONTENT_BYTES
from tests.import_export.conftest import MakeFiles


def read_one(folder: Path, path: str) -> SourcePost:
    post = source.read_post(markdown_folder.scan(folder), path)
    assert isinstance(post, SourcePost), post
    return post


def rejection_of(folder: Path, path: str = "a.md") -> str:
    rejection = source.read_post(markdown_folder.scan(folder), path)
    assert isinstance(rejection, Rejection)
    return str(rejection)


def test_posts_are_markdown_files_except_indexes_and_repository_documents(make_files: MakeFiles) -> None:
    posts = ["a.md", "b.markdown", "c.mkdn", "d.text", "e.Rmd", "deep/er/f.MD", "_drafts/g.md", "_posts/2020-01-01-h.md"]
    others = ["_index.md", "x/_index.fr.md", "README.md", "LICENSE.md", "x.txt", "x.html", "x.yml", ".git/y.md", ".z.md"]
    others += ["_site/a.md", "_includes/b.md", "node_modules/p/c.md"]
    folder = make_files(dict.fromkeys([*posts, *others], "Text"))
    scanned = markdown_folder.scan(folder)
    assert set(scanned.paths) == set(posts)
    assert scanned.rejections == ()


def test_a_readme_with_front_matter_is_a_post(make_files: MakeFiles) -> None:
    assert markdown_folder.scan(make_files({"README.md": "---\ntitle: x\n---\n"})).paths == ("README.md",)


def test_translations_come_after_originals_and_lose_their_suffix(make_files: MakeFiles) -> None:
    folder = make_files({"_index.fr.md": "", "a.fr.md": "x", "b.md": "x", "b.fr.md": "x", "c.zh.md": "x", "d/index.fr.md": "x"})
    scanned = markdown_folder.scan(folder)
    assert scanned.paths == ("b.md", "c.zh.md", "a.fr.md", "b.fr.md", "d/index.fr.md")
    posts = [read_one(folder, path) for path in scanned.paths]
    assert [post.slug for post in posts] == ["b", "c.zh", "a", "b", "d"]
    assert [post.language for post in posts] == [None, None, "fr", "fr", "fr"]


@pytest.mark.parametrize(
    ("path", "front_matter", "slug", "date", "date_source"),
    [
        ("2017-2-5-zeroes.md", "", "zeroes", "2017-02-05", DateSource.FILE_NAME),
        ("2016-10-08_a-post.md", "", "a-post", "2016-10-08", DateSource.FILE_NAME),
        ("2016-13-08-no-date.md", "", "2016-13-08-no-date", None, None),
        ("2016-10-08-x.md", "date: 2020-01-02", "x", "2020-01-02", DateSource.FRONT_MATTER),
        ("x.md", "path: blog/2014/09/15/Rust-1.0", "Rust-1.0", "2014-09-15", DateSource.PATH),
        ("2014-01-01-x.md", "path: 2014/09/15/y", "y", "2014-09-15", DateSource.PATH),
        ("x.md", "path: a-fixed-url", "x", None, None),
        ("post/index.md", "", "post", None, None),
        ("2015-03-01-trip/index.md", "", "trip", "2015-03-01", DateSource.FILE_NAME),
        ("x.md", "slug: Something-&-Else", "Something-Else", None, None),
        ("dir/2013-03-19-not-a-post/dubious.md", "", "dubious", None, None),
    ],
)
def test_slug_and_date(
    make_files: MakeFiles, path: str, front_matter: str, slug: str, date: str | None, date_source: DateSource | None
) -> None:
    post = read_one(make_files({path: f"---\n{front_matter}\n---\n"}), path)
    assert (post.slug, post.date.date().isoformat() if post.date else None, post.date_source) == (slug, date, date_source)


@pytest.mark.parametrize(
    ("written", "safe"),
    [
        ("TockingTime", "TockingTime"),
        ("release-0.5.0", "release-0.5.0"),
        ("a_b--c", "a_b--c"),
        ("hash-#1", "hash-1"),
        ("escape-+ %20[]", "escape-20"),
        ("trailing-dots..", "trailing-dots"),
        ("_hidden", "hidden"),
        ("../../etc/passwd", "etc-passwd"),
        ("匿名CVS", "匿名CVS"),
        ("हिन्दी में", "हिन्दी-में"),
        ("...", "post"),
        ("x" * 119 + "-y", "x" * 119),
    ],
)
def test_slugs_keep_their_spelling_if_it_is_safe(written: str, safe: str) -> None:
    assert slugs.safe_slug(written) == safe


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("/2016/01/05/tips/", "tips"),
        ("/an-old-url/old.html", "old.html"),
        ("another/index.html", "another"),
        ("https://old.example.org/x/y/?a=b#c", "y"),
        ("/caf%C3%A9/", "café"),
        ("/:title", None),
        ("/:year/:month/", None),
        ("/%2e%2e/%2e%2e/baddie.html", None),
        ("/", None),
        ("http://[bad/x", None),
        ("/{{ slug }}/", None),
    ],
)
def test_slugs_of_old_urls(url: str, slug: str | None) -> None:
    assert slugs.slug_from_url(url) == slug


def test_names_are_lists_or_single_texts(make_files: MakeFiles) -> None:
    folder = make_files(
        {
            "a.md": "---\nauthor: Ron Williams and Ribbon\ntags: ay bee cee\ncategory: 2013\n---\n",
            "b.md": '+++\nauthors = ["Foo Doe", "Bar Doe"]\n[taxonomies]\ntags = ["x", ""]\n'
            'categories = ["c"]\nauthors = ["Q"]\n+++\n',
            "c.md": "---\nauthors:\n- name: Ada\n  site: x\n-  grace \n-\ntags:\ntag: [1.10, no]\n---\n",
            "d.md": "---\ntags: []\nauthors:\n---\n",
        }
    )
    posts = [read_one(folder, f"{name}.md") for name in "abcd"]
    assert [post.authors for post in posts] == [("Ron Williams and Ribbon",), ("Foo Doe", "Bar Doe"), ("Ada", "grace"), ()]
    assert [post.tags for post in posts] == [("ay bee cee",), ("x",), ("1.10", "no"), ()]
    assert [post.categories for post in posts] == [("2013",), ("c",), (), ()]


@pytest.mark.parametrize(
    ("front_matter", "draft"),
    [
        ("draft: true", True), ("draft: false", False), ("published: false", True), ("published: yes", False),
        ("draft:", False), ("title: x", False), ("draft: Yes", True), ("published: off", True),
    ],
)  # fmt: skip
def test_drafts(make_files: MakeFiles, front_matter: str, draft: bool) -> None:
    text = f"---\ndate: 2020-01-01\n{front_matter}\n---\n"
    folder = make_files({"a.md": text, "_drafts/b.md": text})
    assert read_one(folder, "a.md").draft is draft
    assert read_one(folder, "_drafts/b.md").draft is True


def test_other_fields_of_a_post(make_files: MakeFiles) -> None:
    text = (
        "\ufeff---\r\ndate: 2020-01-01\r\ntitle: |\r\n  Two\r\n  lines\r\nlang: zh_tw\r\nexcerpt: In <em>short</em>\r\n"
        "redirect_from: /x/old/\r\npermalink: /2015/Own/\r\n---\r\nText\r\n\x08more\x0c\r\n"
    )
    post = read_one(make_files({"own.md": text}), "own.md")
    assert (post.title, post.language, post.fields["custom_excerpt"]) == ("Two lines", "zh-TW", "In <em>short</em>")
    assert (post.aliases, post.permalink, post.old_slugs) == (("old",), "Own", ("old", "Own"))
    assert post.body == "Text\nmore\n\n"
    assert post.warnings == ("2 control characters were removed from the text",)


@pytest.mark.parametrize(
    "text",
    [
        "---\nseo_title: Looms\n---\n",
        "---\nmetaTitle: Looms\n---\n",
        "---\nseo:\n  Title: Looms\n---\n",
        "+++\n[extra]\nseo_title = 'Looms'\n+++\n",
        "+++\n[params.seo]\ntitle = 'Looms'\n+++\n",
    ],
)
def test_keys_of_themes_are_read(make_files: MakeFiles, text: str) -> None:
    assert read_one(make_files({"a.md": text}), "a.md").fields == {"meta_title": "Looms"}


@pytest.mark.parametrize(
    ("path", "title"),
    [("foo-bar_baz.md", "Foo bar baz"), ("2020-01-01-18F-guides.md", "18F guides"), ("___.md", "Untitled"), ("日本.md", "日本")],
)
def test_a_post_without_a_title_is_named_after_its_file(make_files: MakeFiles, path: str, title: str) -> None:
    assert read_one(make_files({path: "Text"}), path).title == title


@pytest.mark.parametrize("permalink", ["pretty", "false", "/:title", "/%2e%2e/x.html", "/"])
def test_a_permalink_that_is_not_a_path_is_ignored(make_files: MakeFiles, permalink: str) -> None:
    assert read_one(make_files({"a.md": f"---\npermalink: {permalink}\n---\n"}), "a.md").old_slugs == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("---\ntitle: x\ndate: soon\n---\n", "a.md:3: date: must be a date such as 2024-05-31 or 2024-05-31T09:00:00Z"),
        ("---\ndraft: maybe\n---\n", "a.md:2: draft: must be true or false"),
        ("---\n\ntags: [[a], b]\n---\n", "a.md:3: tags: must be a list of names"),
        ("---\ntitle: [a]\n---\n", "a.md:2: title: must be a single text"),
        (f"---\ntitle: {'x' * 301}\n---\n", "a.md:2: title: longer than 300 characters"),
        ('---\nauthor: "a\\nb"\n---\n', "a.md:2: author: must be a single line"),
        ('---\nx: y\ntitle: "a\\0b"\n---\n', "a.md:3: title: control characters and unpaired surrogates are not allowed"),
        ('---\nexcerpt: "\\uD800"\n---\n', "a.md:2: excerpt: control characters and unpaired surrogates are not allowed"),
        ("---\ntitle: a: b\n---\n", "a.md:2: YAML: mapping values are not allowed here"),
        (b"line\nline\n\xff\xfe", "a.md:3: not UTF-8: convert the file"),
        ("line\n\0", "a.md:2: contains a NUL character: not a text file"),
        ("x" * (MAX_CONTENT_BYTES + 1), f"a.md:1: {source.TOO_LONG}"),
    ],
)
def test_rejections_have_a_line_and_a_reason(make_files: MakeFiles, content: str | bytes, message: str) -> None:
    assert rejection_of(make_files({"a.md": content})) == message


def test_paths_are_not_trusted(make_files: MakeFiles, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    folder = make_files(
        {"good.md": "x", "big.md": "x" * (markdown_folder.MAX_FILE_BYTES + 1), "a\nb.md": "x", "sub\x1b[2J/c.md": "x"}
    )
    (folder / "link.md").symlink_to(outside / "secret.md")
    (folder / "linked").symlink_to(outside)
    (folder / "gone.md").symlink_to(folder / "nothing")
    (folder / "same.md").symlink_to(folder / "good.md")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.md")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.md")).write_text("x")
    scanned = markdown_folder.scan(folder)
    assert scanned.paths == ("good.md",)
    name = "the name contains control characters or is not UTF-8: rename it"
    link = "a link to a target outside the folder, or to a missing file"
    assert set(map(str, scanned.rejections)) == {
        f"big.md:1: larger than {markdown_folder.MAX_FILE_BYTES} bytes",
        f"a\\nb.md:1: {name}",
        f"sub\\x1b[2J:1: {name}",
        f"bad\\udcff.md:1: {name}",
        f"link.md:1: {link}",
        f"linked:1: {link}",
        f"gone.md:1: {link}",
        "pipe.md:1: not a regular file",
    }
    assert isinstance(source.read_post(scanned, "../outside/secret.md"), Rejection)
    assert isinstance(source.read_post(scanned, "link.md"), Rejection)


def test_a_path_over_the_limit_is_rejected(make_files: MakeFiles) -> None:
    folder = make_files({"/".join(["x" * 100] * 5) + ".md": "x"})
    assert [rejection.reason for rejection in markdown_folder.scan(folder).rejections] == [
        "the path is longer than 500 characters"
    ]


def test_unreadable_files_and_folders_are_rejected(make_files: MakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_files({"a.md": "x", "b/c.md": "x"})
    real_open, real_scandir = Path.open, os.scandir

    def denied_open(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "a.md":
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *args, **options)

    def denied_scandir(path: str | int) -> Any:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", path)
        return real_scandir(path)

    monkeypatch.setattr(Path, "open", denied_open)
    monkeypatch.setattr(os, "scandir", denied_scandir)
    assert rejection_of(folder) == "a.md:1: cannot be read: Permission denied"
    assert list(map(str, markdown_folder.scan(folder).rejections)) == ["b:1: the folder cannot be read: Permission denied"]


def test_a_missing_folder_is_invalid_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a readable folder"):
        markdown_folder.scan(tmp_path / "absent")


def test_dates_are_aware(make_files: MakeFiles) -> None:
    post = read_one(make_files({"a.md": "+++\ndate = 2020-01-01T09:00:00\n+++\n"}), "a.md")
    assert post.date == dt.datetime(2020, 1, 1, 9, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("line", "expected"), [("comments: false", False), ("comments: yes", True), ("comments: disqus-id", None), ("x: y", None)]
)
def test_only_true_and_false_set_whether_comments_are_open(make_files: MakeFiles, line: str, expected: bool | None) -> None:
    post = read_one(make_files({"a.md": f"---\n{line}\n---\nx"}), "a.md")
    assert post.fields.get("comments_open") is expected
