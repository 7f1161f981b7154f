// Lists of posts. New posts are inserted at the top if the top is visible; otherwise a button offers them, so that nothing moves.

const MAX_FEATURED = 3;

export function begin({ region, fragment, patch, preserveScroll, announce }) {
  const button = document.getElementById("new-posts");
  const empty = document.getElementById("posts-empty");
  const featured = document.getElementById("featured");
  const [kind, ...rest] = region.dataset.live.split(":");
  const name = rest.join(":");
  const pending = new Map(); // cards by element id

  const names = (post) => (kind === "tag" ? post.tags : post.authors.map((author) => author.username));
  const belongs = (post) => kind === "posts" || names(post).includes(name);
  const isAtTop = () => region.getBoundingClientRect().top >= 0;
  const id = (card) => Number(card.id.split("-")[1]);
  const instant = (card) => card.querySelector("time").dateTime;
  const isOlder = (card, other) => instant(card) < instant(other) || (instant(card) === instant(other) && id(card) < id(other));

  function upsert({ post, html }) {
    const card = fragment(html);
    updateFeatured(post, card.cloneNode(true));
    const existing = document.getElementById(card.id);
    if (!belongs(post)) remove({ post });
    else if (existing) patch(existing, card);
    else if ("liveFirst" in region.dataset && isOnThisPage(card)) {
      pending.set(card.id, card);
      if (isAtTop()) insert();
      else updateButton();
      announce(`New post: ${post.title}`);
    }
  }

  // Featured posts are shown above the list too, newest first, under ids of their own.
  function updateFeatured(post, card) {
    if (!featured) return;
    const existing = document.getElementById(`featured-${post.id}`);
    for (const element of [card, card.querySelector("h2")]) element.id = element.id.replace("post", "featured");
    card.setAttribute("aria-labelledby", card.querySelector("h2").id);
    if (!post.featured) existing?.remove();
    else if (existing) patch(existing, card);
    else featured.insertBefore(card, [...featured.children].find((other) => isOlder(other, card)) ?? null);
    while (featured.childElementCount > MAX_FEATURED) featured.lastElementChild.remove();
    update();
  }

  // Cards are sorted by date. If there are more pages, a card older than all cards here belongs to a later page.
  const nextOlder = (card) => [...region.children].find((other) => isOlder(other, card));
  const isOnThisPage = (card) => !("liveMore" in region.dataset) || nextOlder(card);

  function insert() {
    for (const card of pending.values()) {
      card.classList.add("just-added");
      region.insertBefore(card, nextOlder(card) ?? null);
    }
    pending.clear();
    update();
  }

  function remove({ post }) {
    pending.delete(`post-${post.id}`);
    const card = document.getElementById(`post-${post.id}`);
    if (card) announce("A post was removed.");
    card?.remove();
    document.getElementById(`featured-${post.id}`)?.remove();
    update();
  }

  function updateButton() {
    const label = pending.size === 1 ? "1 new post" : `${pending.size} new posts`;
    button.textContent = label;
    button.hidden = pending.size === 0;
  }

  function update() {
    empty.hidden = region.childElementCount > 0;
    if (featured) featured.parentElement.hidden = featured.childElementCount === 0;
    updateButton();
  }

  function updateCount({ post }) {
    for (const label of document.querySelectorAll(`:is(#post-${post.id}, #featured-${post.id}) .card-comments`)) {
      label.hidden = post.comments === 0;
      label.firstElementChild.textContent = post.comments === 1 ? "1 comment" : `${post.comments} comments`;
    }
  }

  button.addEventListener("click", () => {
    const first = [...pending.values()].at(-1);
    preserveScroll(insert);
    first.querySelector("a").focus({ preventScroll: true });
  });
  addEventListener("scroll", () => pending.size && isAtTop() && insert(), { passive: true });

  return {
    handlers: {
      "post.published": upsert,
      "post.updated": upsert,
      "post.unpublished": remove,
      "post.deleted": remove,
      "comment.created": updateCount,
      "comment.removed": updateCount,
      "comment.updated": updateCount,
    },
    refreshed(page) {
      if (!page) return;
      pending.clear();
      patch(region, page.getElementById("posts"));
      if (featured) patch(featured, page.getElementById("featured"));
      update();
    },
  };
}
