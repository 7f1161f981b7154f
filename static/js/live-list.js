// Lists of posts. What is new goes on top while the reader is there; else it waits behind a button, and moves nothing.

export function begin({ region, fragment, patch, keepingPlace, say }) {
  const button = document.getElementById("new-posts");
  const empty = document.getElementById("posts-empty");
  const [kind, ...rest] = region.dataset.live.split(":");
  const name = rest.join(":");
  const waiting = new Map(); // by the id of its element

  const belongs = (post) => kind === "posts" || (kind === "tag" ? post.tags : post.authors).includes(name);
  const isAtTop = () => region.getBoundingClientRect().top >= 0;
  const id = (card) => Number(card.id.split("-")[1]);
  const instant = (card) => card.querySelector("time").dateTime;
  const isOlder = (card, other) => instant(card) < instant(other) || (instant(card) === instant(other) && id(card) < id(other));

  function put({ post, html }) {
    const card = fragment(html);
    const present = document.getElementById(card.id);
    if (!belongs(post)) drop({ post });
    else if (present) patch(present, card);
    else if ("liveFirst" in region.dataset && isOnThisPage(card)) {
      waiting.set(card.id, card);
      if (isAtTop()) insert();
      else offer();
      say(`New post: ${post.title}`);
    }
  }

  // The place of a card is that of its date; when more pages follow, the oldest of them are not here.
  const nextOlder = (card) => [...region.children].find((other) => isOlder(other, card));
  const isOnThisPage = (card) => !("liveMore" in region.dataset) || nextOlder(card);

  function insert() {
    for (const card of waiting.values()) {
      card.classList.add("just-added");
      region.insertBefore(card, nextOlder(card) ?? null);
    }
    waiting.clear();
    settle();
  }

  function drop({ post }) {
    waiting.delete(`post-${post.id}`);
    const card = document.getElementById(`post-${post.id}`);
    if (card) say("A post was taken down.");
    card?.remove();
    settle();
  }

  function offer() {
    const words = waiting.size === 1 ? "1 new post" : `${waiting.size} new posts`;
    button.textContent = words;
    button.hidden = waiting.size === 0;
  }

  function settle() {
    empty.hidden = region.childElementCount > 0;
    offer();
  }

  function count({ post }) {
    const place = document.querySelector(`#post-${post.id} .card-comments`);
    if (!place) return;
    place.hidden = post.comments === 0;
    place.firstElementChild.textContent = post.comments === 1 ? "1 comment" : `${post.comments} comments`;
  }

  button.addEventListener("click", () => {
    const first = [...waiting.values()].at(-1);
    keepingPlace(insert);
    first.querySelector("a").focus({ preventScroll: true });
  });
  addEventListener("scroll", () => waiting.size && isAtTop() && insert(), { passive: true });

  return {
    handlers: {
      "post.published": put,
      "post.updated": put,
      "post.unpublished": drop,
      "post.deleted": drop,
      "comment.created": count,
      "comment.removed": count,
      "comment.updated": count,
    },
    refreshed(page) {
      if (!page) return;
      waiting.clear();
      patch(region, page.getElementById("posts"));
      settle();
    },
  };
}
