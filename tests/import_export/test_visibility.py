"""Visibility of imported posts: hidden posts, and posts with metadata that is not understood, are never public."""

import datetime as dt
import json
import os
from pathlib import Path

import pytest

from blog.domain.core.context import Context
from blog.domain.posts import post_lists, posts
from blog.domain.posts.post_filter import PostFilter
from blog.import_export.markdown import folder as markdown_folder
from blog.import_export.markdown import source
from blog.import_export.markdown.folder import Rejection
from blog.import_export.markdown.importer import import_markdown
from blog.import_export.markdown.source import SourcePost
from blog.schemas.posts import PostStatus
from tests.import_export.conftest import MakeFiles
from tests.support.serving import blog

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DATED = "title: A\ndate: 2020-03-01\n"


def is_public(folder: Path, path: str = "a.md") -> bool:
    """Return whether an import at `NOW` publishes a file."""
    post = source.read_post(markdown_folder.scan(folder), path)
    if isinstance(post, Rejection):
        return False
    return not post.draft and (post.visible_from is None or post.visible_from <= NOW)


HIDDEN = [
    # Hugo
    f"---\n{DATED}publishDate: 2099-01-01\n---\nText",
    f"---\n{DATED}publishdate: 2099-01-01T10:00:00Z\n---\nText",
    f"---\n{DATED}expiryDate: 2020-04-01\n---\nText",
    f"---\n{DATED}expirydate: 2099-04-01\n---\nText",
    f"---\n{DATED}unpublishdate: 2020-04-01\n---\nText",
    f"---\n{DATED}Draft: true\n---\nText",
    f"---\n{DATED}DRAFT: yes\n---\nText",
    f"---\n{DATED}headless: true\n---\nText",
    f"---\n{DATED}build:\n  render: never\n---\nText",
    f"---\n{DATED}_build:\n  render: false\n---\nText",
    f"---\n{DATED}build:\n  list: never\n---\nText",
    f"---\n{DATED}build: {{render: link}}\n---\nText",
    '{"title": "A", "date": "2020-03-01", "draft": true}\n\nText',
    '{\n  "title": "A", "date": "2020-03-01",\n  "draft": true\n}\nText',
    '{"title": "A", "date": "2020-03-01", "draft": true',
    '{"title": "A", date: 2020-03-01}\nText',
    '+++\ntitle = "A"\ndate = 2020-03-01\nDraft = true\n+++\nText',
    '+++\ntitle = "A"\ndate = 2020-03-01\ndraft = true\nText',
    # Zola
    '+++\ntitle = "A"\ndate = 2020-03-01\nrender = false\n+++\nText',
    '\n\n+++\ntitle = "A"\ndate = 2020-03-01\ndraft = true\n+++\nText',
    # Pelican, MultiMarkdown
    "Title: A\nDate: 2020-03-02\nStatus: draft\n\nText",
    "Title: A\nDate: 2020-03-02\nStatus: hidden\n\nText",
    "title: A\ndate: 2020-03-02\nstatus: Draft\n\nText",
    "Title: A\nDate: 2020-03-02\nSummary: long\n  text\nStatus: draft\n\nText",
    "Title: A\nDate: 2020-03-02\nStatus: draft\nText without an empty line",
    "Status: draft\nDate: 2020-03-02\n",
    # Hexo
    f"{DATED}published: false\n---\nText",
    f"\n---\n{DATED}published: false\n---\nText",
    f"----\n{DATED}published: false\n----\nText",
    f"  \n\t\n-----\n{DATED}published: false\n-----\nText",
    f"----\n{DATED}published: false\n---\nText",
    ';;;\n"title": "A",\n"date": "2020-03-01",\n"published": false\n;;;\nText',
    f"{DATED}tags:\n- a\npublished: false\n---\nText",
    f"---\n{DATED}password: open sesame\n---\nText",
    # Astro, Eleventy, Obsidian and themes
    f"---\n{DATED}isDraft: true\n---\nText",
    f"---\n{DATED}publish: false\n---\nText",
    f"---\n{DATED}status: draft\n---\nText",
    f"---\n{DATED}hidden: true\n---\nText",
    f"---\n{DATED}unlisted: true\n---\nText",
    f"---\n{DATED}private: true\n---\nText",
    f"---\n{DATED}visibility: private\n---\nText",
    f"---\n{DATED}public: no\n---\nText",
    f"---\n{DATED}listed: false\n---\nText",
    f"---\n{DATED}eleventyExcludeFromCollections: true\n---\nText",
    f"---\n{DATED}permalink: false\n---\nText",
    f"---\n{DATED}status: [draft]\n---\nText",
    f"---\n{DATED}private: members\n---\nText",
    f"---\n{DATED}is_draft: 'True'\n---\nText",
    f"---\n{DATED}publishedAt: 2099-01-01\n---\nText",
    f"---\n{DATED}publish_on: next week\n---\nText",
    f"---\n{DATED}embargo_until: 2099-01-01\n---\nText",
    f"---\n{DATED}draft: maybe\n---\nText",
    f"---\n{DATED}wip: true\n---\nText",
    '---json\n{"title": "A", "date": "2020-03-01", "draft": true}\n---\nText',
    "---js\n{draft: true}\n---\nText",
    f"---yaml\n{DATED}draft: true\n---\nText",
    # Metadata in a form that no engine has.
    f" ---\n{DATED}draft: true\n ---\nText",
    f"--\n{DATED}draft: true\n--\nText",
    f"===\n{DATED}draft: true\n===\nText",
    f"---\n{DATED}draft: true\n---\nText".replace("\n", "\r"),
    f"\ufeff---\n{DATED}draft: true\n---\nText",
    "---\ntitle: A\ndate: yesterday\n---\nText",
]
HIDDEN += [
    f"---\n{DATED}{line}\n---\nText"
    for line in (
        "params:\n  draft: true", "extra: {draft: true}", "extra:\n  status: draft", "trash: true", "deleted: true",
        "disabled: true",
        "exclude: true", "online: false", "enabled: false", "active: false", "ready: false", "members: true", "tier: paid",
        "stage: draft",
        "type: draft", "layout: draft", "tags: [draft]", "categories: drafts", "entwurf: true", "build: false", "output: false",
    )
]  # fmt: skip

# Keys that no list names.
HIDDEN += [
    f"---\n{DATED}{line}\n---\nText"
    for line in (
        "shiny: true", "shiny: 'No'", "shiny: on", "moods: [calm, true]", "moods: {blue: {deep: false}}", "草稿: true",
        "audience: members only", "for: [staff]", "rss_only: true", "progress_state: in progress", "release: false",
        "valid_until: 2020-01-01", "go_live: 2099-01-01", "publish_until: 2020-05-01", "window: {from: 2099-01-01}",
        "show_in_lists: no", "available: later", "reader_password: {value: x}", "sitemap: false", "seo: {noindex: true}",
        "robots: noindex, nofollow", "requiresLogin: admins", "x: &x [*x, true]",
        "a: {a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}",
        "meta: {draft: true}", "taxonomies: {tags: [wip]}", "categories: [[a, drafts]]", "hideRelatedPosts_and_this: true",
        "article: no", "published: {web: false}", "cascade: {draft: true}", "visibility: friends", "stage: seedling",
        "audience: internal-only", "audience: internal use only", "audience: internalOnly", "note: Private (for now)",
        "circulation: staff_use_only", "condition: draft, needs images", "homepage: true", "is_page: true",
        "post_date: 2099-01-01", "showOnHomepage: false",
    )
]  # fmt: skip
HIDDEN += ["Title: A\nDate: 2020-03-01\nSave_as:\n\nText", "Title: A\nDate: 2020-03-01\nShiny: yes\n\nText"]

UNDATED = [
    "Text",
    "---\ntitle: A\n---\nText",
    "---\ntitle: A\ndate:\n---\nText",
    "---\ntitle: A\ncreated: yesterday\n---\nText",
    "---\ntitle: A\nupdated: 2020-03-01\n---\nText",
]


@pytest.mark.parametrize(
    ("name", "text"), [*(("a.md", text) for text in HIDDEN + UNDATED), *(("2020-03-01-a.md", text) for text in HIDDEN)]
)
def test_hidden_posts_are_not_public(make_files: MakeFiles, name: str, text: str) -> None:
    assert not is_public(make_files({name: text}), name)


PUBLIC = [
    f"---\n{DATED}params: {{toc: true, draft: false}}\n---\nText",
    f"---\n{DATED}cover: {{hidden: true}}\nlayout: post\n---\nText",
    f"---\n{DATED}---\nText",
    f"---\n{DATED}draft: false\n---\nText",
    f"---\n{DATED}draft:\n---\nText",
    f"---\n{DATED}publishDate: 2020-04-01\n---\nText",
    f"---\n{DATED}published: 2020-04-01\n---\nText",
    f"---\n{DATED}status: Published\n---\nText",
    f"---\n{DATED}publish: true\n---\nText",
    f"---\n{DATED}hidden: false\n---\nText",
    f"---\n{DATED}build:\n  render: always\n---\nText",
    f"---\n{DATED}build:\n  publishResources: false\n---\nText",
    f"---\n{DATED}publisher: A house\n---\nText",
    f"---\n{DATED}hiddenFromSearch: false\n---\nText",
    f"---\n{DATED}permalink: /a/\n---\nText",
    f"---\n{DATED}layout: post\n---\nText",
    f"{DATED}---\nText",
    f"\n----\n{DATED}----\nText",
    "Title: A\nDate: 2020-03-01 10:20\nTags: x, y\n\nText",
    '{"title": "A", "date": "2020-03-01", "draft": false}\n\nText',
    "---\ntitle: A\npubDate: 'Jul 08 2022'\n---\nText",
    "---\ntitle: A\ndate: May 8, 2020\n---\nText",
    "---\ntitle: A\ndate: Fri, 08 May 2020 10:00:00 +0000\n---\nText",
    "---\nTitle: A\nDate: 8 May 2020\n---\nText",
    "---\ntitle: A\npublishedAt: 2020-05-01T10:00:00Z\n---\nText",
    "---\ntitle: A\npubDatetime: 2022-09-23T15:22:00Z\nmodDatetime: 2099-01-01\n---\nText",
]
# Switches of common themes.
PUBLIC += [
    f"---\n{DATED}{lines}\n---\nText"
    for lines in (
        "comments: true\ntoc: true\nmath: true\nfeatured: true\nsidebar: false\npinned: no\nsticky: on",
        "author_profile: true\nread_time: true\nshare: false\nrelated: true\ntoc_sticky: true\nshow_date: true\nsearch: false",
        "pin: true\nmermaid: true\nrender_with_liquid: false\nimage: {path: a.png, no_bg: true}\nlast_modified_at: 2099-01-01",
        "readtime: true\nsocial-share: false\nfull-width: true\nshow-avatar: false\ngiscus_comments: true",
        "ShowToc: true\nTocOpen: false\nhidemeta: false\ndisableHLJS: true\nhideSummary: true\nsearchHidden: true\n"
        "ShowReadingTime: true\nShowBreadCrumbs: true\nShowPostNavLinks: true\nShowRssButtonInSectionTermList: true\n"
        "UseHugoToc: true\ncover: {relative: false, hidden: true}",
        "hiddenFromHomePage: false\nhiddenFromSearch: true\nlightgallery: true\nlinkToMarkdown: true\npassword:\n"
        "repost: {enable: false}\ncode: {copy: true}\ncomment: {enable: true, disqus: {enable: false}}",
        "autoCollapseToc: false\npostMetaInFooter: false\nhideHeaderAndFooter: false\nflowchartDiagrams: {enable: false}",
        "top: true\ntoc_number: true\nnoticeOutdate: false\nkatex: true\naside: false\ncopyright: false\nreward: true",
        "hideEditPost: true\nisFeatured: true\neditUrl: false\nlastUpdated: false\npagefind: false\nheroImage: ./a.png",
        "showHero: true\nshowTableOfContents: false\nexcludeFromSearch: true\nnav_exclude: true\nhas_children: no",
        "isCJKLanguage: true\nkeywords: [draft]\nsubtitle: Draft\nlang: no\nupdated: 2099-01-01\noutput: html_document",
        "taxonomies: {tags: [Hidden figures]}\nextra: {toc: true, release: true, team: The team, local_image: a.png}",
        "type: post\npublished: true\nstatus: publish\nmeta: {_edit_last: '1', _publicize_pending: '1'}\norder: 1\npart: 0",
        "x: &x [a, *x]\ny: *x",
        "omit_header_text: true\nusePageBundles: false\nfigurePositionShow: true\nshowFullContent: false\nenableGitInfo: true\n"
        "homepage: false\nexif: true\ncropped: true\nlarge: true\ncentered: true",
        "is_page: false\npost_date: 2020-03-01 10:20:00\npost_modified: 2099-01-01\nmeta: {jabber_published: '1264882363'}",
        "location: Internal waters of the Kingdom of Norway\nband: The Members",
    )
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_posts_stay_public(make_files: MakeFiles, text: str) -> None:
    folder = make_files({"a.md": text})
    assert is_public(folder)
    post = source.read_post(markdown_folder.scan(folder), "a.md")
    assert isinstance(post, SourcePost)
    assert (post.title, post.body.strip(), post.warnings) == ("A", "Text", ())


def test_repeated_aliases_are_read_once(make_files: MakeFiles) -> None:
    levels = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 20)}]" for level in range(1, 20)]
    text = "\n".join(["---", DATED, "a0: &a0 [private]", *levels, "---", "Text"])
    assert not is_public(make_files({"a.md": text}))
    assert is_public(make_files({"a.md": text.replace("private", "x")}))


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Note: this is prose.\n\nMore.", "Note: this is prose.\n\nMore."),
        ("{{< figure src=a.png >}}\n\nText", "{{< figure src=a.png >}}\n\nText"),
        ("{: .lead}\nText", "{: .lead}\nText"),
        ("Chapter\n---\nText", "Chapter\n---\nText"),
        ("--- \n\nA rule.", "--- \n\nA rule."),
        ("\n\nText", "\n\nText"),
    ],
)
def test_prose_is_not_metadata(make_files: MakeFiles, text: str, body: str) -> None:
    folder = make_files({"2020-03-01-a.md": text})
    post = source.read_post(markdown_folder.scan(folder), "2020-03-01-a.md")
    assert isinstance(post, SourcePost), post
    assert (post.body, post.draft) == (body, False)


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("_posts/2020-03-01-a.md", True), ("x/_posts/2020-03-01-a.md", True), ("_drafts/2020-03-01-a.md", False),
        ("_unpublished/2020-03-01-a.md", False), ("_2020-03-01-a.md", False), ("posts/2020-03-01-a.md", True),
    ],
)  # fmt: skip
def test_folders_that_engines_leave_out_are_drafts(make_files: MakeFiles, path: str, public: bool) -> None:
    assert is_public(make_files({path: f"---\n{DATED}---\nText"}), path) is public


@pytest.mark.parametrize(
    ("index", "public"),
    [
        ('+++\ntitle = "Blog"\n+++\n', True),
        ("---\ntitle: Blog\ndraft: false\n---\n", True),
        ("---\ncascade:\n  type: docs\n---\n", True),
        ('+++\ntitle = "Blog"\nrender = false\n+++\n', True),  # only the list of the section
        ("+++\ndraft = true\n+++\n", False),
        ("---\ncascade:\n  draft: true\n---\n", False),
        ("---\ncascade:\n  - build:\n      render: never\n---\n", False),
        ("---\ncascade: [\n---\n", False),
        ("---\ncascade: {showDate: false, target: {kind: page}}\n---\n", True),
        ("---\ncascade: {shiny: true}\n---\n", False),
        ("---\ncascade: {publishDate: 2099-01-01}\n---\n", False),
    ],
)
def test_posts_of_a_hidden_section_are_drafts(make_files: MakeFiles, index: str, public: bool) -> None:
    post = f"---\n{DATED}---\nText"
    folder = make_files({"content/blog/_index.md": index, "content/blog/x/a.md": post, "content/news/b.md": post})
    assert is_public(folder, "content/blog/x/a.md") is public
    assert is_public(folder, "content/news/b.md"), "another section"


async def test_statuses_in_the_blog(owner: Context, make_files: MakeFiles) -> None:
    later = owner.now + dt.timedelta(days=5)
    folder = make_files(
        {
            "later.md": f"---\ndate: 2020-03-01\npublishDate: {later.isoformat()}\n---\nText",
            "expired.md": "---\ndate: 2020-03-01\nexpiryDate: 2020-04-01\n---\nText",
            "undated.md": "---\ntitle: Undated\n---\nText",
            "public.md": "---\ndate: 2020-03-01\npublishDate: 2020-03-05\n---\nText",
        }
    )
    report = await import_markdown(owner, folder)
    found = {slug: await posts.get_by_slug(owner, slug) for slug in ("later", "expired", "undated", "public")}
    assert (found["later"].status, found["later"].publish_at) == (PostStatus.SCHEDULED, later)
    assert [found[slug].status for slug in ("expired", "undated")] == [PostStatus.DRAFT] * 2
    assert [found[slug].published_at for slug in ("later", "expired", "undated")] == [None] * 3
    assert found["public"].status is PostStatus.PUBLISHED
    assert report.warnings == (
        "expired.md: imported as a draft because of the key 'expiryDate': publish it in the blog, or import it with --ignore-key",
        "undated.md: imported as a draft because of no date: publish it in the blog",
    )
    assert (report.totals.drafts, report.totals.unclear_drafts, report.totals.undated) == (2, 2, 1)
    assert report.totals.draft_causes == {"expiryDate": 1, "no date": 1}


async def test_ignored_keys_hide_nothing(owner: Context, make_files: MakeFiles) -> None:
    folder = make_files(
        {
            "a.md": f"---\n{DATED}Front-Page: false\nextra: {{moods: {{blue: yes}}}}\n---\nText",
            "b.md": f"---\n{DATED}front_page: false\ndraft: true\n---\nText",
            "c.md": f"---\n{DATED}---\nText",
            "wiki/_index.md": "---\ncascade: {glow: true}\n---\n",
            "wiki/d.md": f"---\n{DATED}---\nText",
        }
    )

    async def statuses(*ignored: str) -> tuple[list[str], dict[str, int]]:
        report = await import_markdown(owner, folder, ignored_keys=ignored)
        assert report.rejections == ()
        found = [await posts.get_by_slug(owner, slug) for slug in "abcd"]
        return [post.status.value for post in found], dict(report.totals.draft_causes)

    causes = {"Front-Page": 1, "front_page": 1, "extra.moods.blue": 1, "cascade.glow": 1}
    assert await statuses() == (["draft", "draft", "published", "draft"], causes)
    assert await statuses("frontpage", "draft") == (
        ["draft", "draft", "published", "draft"],
        {"extra.moods.blue": 1, "cascade.glow": 1},
    )
    everything = ("frontPage", "extra.moods.blue", "cascade.glow")
    assert await statuses(*everything) == (["published", "draft", "published", "published"], {})
    assert await statuses() == (["draft", "draft", "published", "draft"], causes), "as before"


def test_comments_of_obsidian_are_removed(make_files: MakeFiles) -> None:
    text = f"---\n{DATED}---\nSeen %%hidden\nword%% again, `100%% code %%`.\n\n%%\nBlock\n%%\n\n%% never closed"
    folder = make_files({"vault/a.md": text, ".obsidian/app.json": "{}"}) / "vault"
    post = source.read_post(markdown_folder.scan(folder), "a.md")
    assert isinstance(post, SourcePost)
    assert post.body == "Seen  again, `100%% code %%`.\n\n\n\n"


def test_percent_signs_outside_obsidian_stay(make_files: MakeFiles) -> None:
    post = source.read_post(markdown_folder.scan(make_files({"a.md": f"---\n{DATED}---\n5%% to 9%%"})), "a.md")
    assert isinstance(post, SourcePost)
    assert post.body == "5%% to 9%%"


def test_files_in_other_formats_are_counted(make_files: MakeFiles) -> None:
    unread = [
        "a.mdx",
        "b/c.MDX",
        "d.rst",
        "e.org",
        "f.adoc",
        "g.ipynb",
        "_posts/2020-01-01-h.html",
        "_posts/2020-01-01-i.textile",
    ]
    others = [
        "index.html",
        "layouts/post.html",
        "README.rst",
        "CHANGELOG.org",
        "robots.txt",
        ".x.mdx",
        "_site/a.mdx",
        "a.css",
        "a.png",
    ]
    front_matter = {"content/x.html": "---\ntitle: x\n---\n", "content/y.html": "<p>"}
    scanned = markdown_folder.scan(make_files(dict.fromkeys([*unread, *others], "Text") | front_matter | {"j.md": "Text"}))
    assert scanned.not_read == {".adoc": 1, ".html": 2, ".ipynb": 1, ".mdx": 2, ".org": 1, ".rst": 1, ".textile": 1}
    assert (scanned.paths, scanned.rejections) == (("j.md",), ())


@pytest.mark.parametrize(
    ("files", "status", "message"),
    [
        ({"a.md": f"---\n{DATED}---\nText"}, 0, ""),
        ({"a.md": f"---\n{DATED}---\nText", "b.mdx": "x", "c.mdx": "x", "d.rst": "x"}, 1, "files not read: 2 .mdx, 1 .rst"),
        ({"a.png": "x"}, 1, "no posts found"),
        ({}, 0, ""),
    ],
)
@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_exit_code_counts_files_that_were_not_read(
    tmp_path: Path, files: dict[str, str], status: int, message: str, option: tuple[str, ...]
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    done = blog(tmp_path, "import", "markdown", str(folder), *option)
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    totals = json.loads(done.stdout.splitlines()[-1])
    assert totals["not_read"] == ({".mdx": 2, ".rst": 1} if "b.mdx" in files else {})


def test_summary_counts_the_causes_of_drafts(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for name, lines in {"a": "shiny: true", "b": "shiny: true\nglow\\e: no", "c": "", "d": "draft: true"}.items():
        (folder / f"{name}.md").write_text(f"---\n{DATED}{lines}\n---\nText")
    blog(tmp_path, "user", "create", "ada", "ada@example.org", "--role", "owner")
    done = blog(tmp_path, "import", "markdown", str(folder), "--dry-run")
    assert "posts imported as drafts: 2, because of shiny (2), glow\\\\e (1)" in done.stderr
    assert "a.md: imported as a draft because of the key 'shiny'" in done.stderr
    done = blog(tmp_path, "import", "markdown", str(folder), "--ignore-key", "Shiny")
    assert "posts imported as drafts: 1, because of glow\\\\e (1)" in done.stderr
    totals = json.loads(done.stdout.splitlines()[-1])
    assert (totals["drafts"], totals["unclear_drafts"], totals["draft_causes"]) == (2, 1, {"glow\\\\e": 1})


CASES = Path(os.environ.get("BLOG_TEST_CORPUS", "")).parent / "cases" / "drafts"


@pytest.mark.skipif(not CASES.is_dir(), reason="BLOG_TEST_CORPUS has no sibling `cases`")
@pytest.mark.parametrize("engine", ["astro", "hexo", "hugo", "obsidian", "pelican", "zola"])
async def test_sites_of_six_engines(owner: Context, engine: str) -> None:
    report = await import_markdown(owner, CASES / engine)
    anonymous = Context(owner.site, None, owner.now, "test")
    public = (await post_lists.list_page(anonymous, PostFilter(full=True))).items
    assert public
    assert all(post.title.startswith("Visible") and "hidden-word" not in post.content for post in public)
    assert len(public) == 1
    assert report.rejections == ()
