"""The feature image of a post: permissions, its file, pages, feeds and imports."""

import io
import re
from pathlib import Path

import httpx2
import pytest

from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.integrity import images
from blog.domain.media import media, replacement, uses
from blog.domain.media.models import Media
from blog.domain.posts import posts
from blog.domain.posts.feature_image import FeatureImage
from blog.domain.posts.models import Post
from blog.errors import InvalidInput
from blog.import_export.markdown.importer import import_markdown
from blog.schemas.accounts import Role
from blog.schemas.media import NewMedia
from blog.schemas.posts import FeatureImageInput, NewPost, PostChanges
from tests.conftest import ORIGIN, MakeUser
from tests.support.optional import unwrap
from tests.support.pictures import png


@pytest.fixture
async def item(author: Context) -> Media:
    return (await media.upload(author, io.BytesIO(png(1000, 500)), NewMedia(alt="A wheel")))[0]


async def write(actor: Context, **image: object) -> Post:
    chosen = FeatureImageInput.model_validate(image)
    return await posts.create(actor, NewPost(title="A", content="x", feature_image=chosen))


async def sign_in(ctx: Context, make_user: MakeUser, name: str, role: Role) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user(name, role)))


async def test_upload_is_chosen_by_id_and_by_url(author: Context, item: Media) -> None:
    expected = FeatureImage(item.name, None, "A wheel", "", 1000, 500, item.bytes, item.variants)
    assert [copy.width for copy in item.variants] == [960, 480]
    for chosen in ({"media_id": item.id}, {"url": f"/media/{item.name}"}, {"url": f"{ORIGIN}/media/{item.name}"}):
        assert (await write(author, **chosen)).feature_image == expected
    post = await write(author, media_id=item.id, alt="", caption="A  brass wheel")
    image = unwrap(post.feature_image)
    assert (image.alt, image.caption) == ("", "A brass wheel")
    assert (await posts.edit(author, post.id, PostChanges(title="B"))).feature_image == image
    assert (await posts.edit(author, post.id, PostChanges(feature_image=None))).feature_image is None


async def test_others_images_need_their_url(author: Context, ctx: Context, make_user: MakeUser, item: Media) -> None:
    bob = await sign_in(ctx, make_user, "bob", Role.AUTHOR)
    for unknown in ({"media_id": item.id}, {"media_id": 99}, {"url": f"/media/{'0' * 64}.png"}):
        with pytest.raises(InvalidInput):
            await posts.create(bob, NewPost(title="A", content="x", feature_image=FeatureImageInput.model_validate(unknown)))
    chosen = FeatureImageInput(url=f"/media/{item.name}")
    post = await posts.create(bob, NewPost(title="A", content="x", feature_image=chosen))
    changed = await posts.edit(bob, post.id, PostChanges(feature_image=FeatureImageInput(media_id=item.id, alt="New")))
    assert unwrap(changed.feature_image).alt == "New", "the present image of the post"
    eve = await sign_in(ctx, make_user, "eve", Role.EDITOR)
    assert (await write(eve, media_id=item.id)).feature_image is not None


async def test_image_on_another_site_is_never_looked_up(author: Context) -> None:
    url = f"https://other.example/media/{'0' * 64}.png"
    assert (await write(author, url=url)).feature_image == FeatureImage(None, url)


async def test_file_stays_while_a_version_shows_it(author: Context, ctx: Context, item: Media) -> None:
    post = await write(author, media_id=item.id)
    await posts.edit(author, post.id, PostChanges(feature_image=None))
    assert [use.kind for use in (await uses.find(author, item)).visible] == [uses.UseKind.OLDER_VERSION]
    await posts.edit(author, post.id, PostChanges(feature_image=FeatureImageInput(media_id=item.id)))
    assert [use.kind for use in (await uses.find(author, item)).visible] == [uses.UseKind.POST]
    await media.delete(author, item.id)
    storage = ctx.site.storage
    assert all(storage.exists(name) for name in item.file_names)
    kept = await posts.edit(author, post.id, PostChanges(feature_image=FeatureImageInput(url=f"/media/{item.name}", alt="B")))
    assert unwrap(kept.feature_image).variants == item.variants
    assert await images.check(ctx) == []
    storage.remove(item.name)
    [fault] = await images.check(ctx)
    assert "Images of the post a are missing" in str(fault)


async def test_replaced_image_is_shown_by_the_post(author: Context, item: Media) -> None:
    post = await write(author, media_id=item.id, caption="A caption")
    replaced = await replacement.replace(author, item.id, io.BytesIO(png(1200, 600, "maroon")))
    image = unwrap((await posts.get(author, post.id)).feature_image)
    new = replaced.item
    assert image == FeatureImage(new.name, None, "A wheel", "A caption", 1200, 600, new.bytes, new.variants)


@pytest.mark.sqlite
async def test_pages_and_feeds_use_the_smaller_copies(author: Context, client: httpx2.AsyncClient, item: Media) -> None:
    await write(author, media_id=item.id)
    page, home = (await client.get("/posts/a")).text, (await client.get("/")).text
    wide, small = (f"/media/{copy.name}" for copy in item.variants)
    srcset = f"{small} 480w, {wide} 960w, /media/{item.name} 1000w"
    assert f'<img src="/media/{item.name}" width="1000" height="500" srcset="{srcset}"' in page
    assert '<meta property="og:image:width" content="1000">' in page
    assert re.search(rf'<img class="card-image" src="{small}" width="480" height="240" alt="">', home)
    assert (
        f'<link rel="enclosure" href="{ORIGIN}/media/{item.name}" type="image/png" length="{item.bytes}" />'
        in (await client.get("/feed.atom")).text
    )
    body = (await client.get("/api/v1/posts/1")).json()["feature_image"]
    assert (body["url"], [copy["width"] for copy in body["variants"]]) == (f"{ORIGIN}/media/{item.name}", [960, 480])
    for limit, name in ((2000, item.name), (960, item.variants[0].name), (500, item.variants[1].name)):
        embed = (await client.get("/oembed", params={"url": f"{ORIGIN}/posts/a", "maxwidth": str(limit)})).json()
        assert embed["thumbnail_url"] == f"{ORIGIN}/media/{name}"


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("path", "front_matter"),
    [
        ("_posts/2026-01-02-a.md", "image: /assets/wheel.png\nimage_alt: A wheel"),
        ("_posts/2026-01-02-a.md", "header:\n  teaser: /assets/wheel.png\n  alt: A wheel"),
        ("_posts/2026-01-02-a.md", "image:\n  path: /assets/wheel.png\n  alt: A wheel"),
        ("content/posts/a.md", "cover:\n  image: /assets/wheel.png\n  alt: A wheel"),
        ("content/posts/a.md", "images:\n- /assets/wheel.png\n- /other.png\nimages_alt: A wheel"),
        ("content/posts/a/index.md", ""),
        ("content/a.md", "extra:\n  image: /assets/wheel.png\n  image_alt: A wheel"),
        ("source/_posts/a.md", "cover: /assets/wheel.png\ncover_alt: A wheel"),
        ("src/content/blog/a.md", "heroImage: ../../../assets/wheel.png\nheroImage_alt: A wheel"),
        ("src/content/blog/a.md", "image:\n  src: ../../../assets/wheel.png\n  alt: A wheel"),
    ],
)
async def test_lead_images_are_imported(author: Context, tmp_path: Path, path: str, front_matter: str) -> None:
    for name, content in (
        ("assets/wheel.png", png(500, 10)),
        ("content/posts/a/feature-wheel.png", png(500, 10)),
        (path, f"---\ntitle: A\ndate: 2026-01-02\n{front_matter}\n---\nText".encode()),
    ):
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    report = await import_markdown(author, tmp_path / "site")
    assert (report.rejections, report.warnings) == ((), ())
    image = unwrap((await posts.get_by_slug(author, "a")).feature_image)
    assert (image.width, image.height, [copy.width for copy in image.variants]) == (500, 10, [480])
    assert image.alt == ("A wheel" if front_matter else "")


@pytest.mark.sqlite
async def test_missing_lead_image_is_a_warning(author: Context, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: A\ndate: 2026-01-02\ncover: /missing.png\n---\nText")
    (tmp_path / "b.md").write_text("---\ntitle: B\ndate: 2026-01-02\ncover: true\nthumbnail: [1]\n---\nText")
    report = await import_markdown(author, tmp_path)
    assert [warning.split(":")[0] for warning in report.warnings] == ["a.md"]
    assert (await posts.get_by_slug(author, "a")).feature_image is None
