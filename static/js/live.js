// Keeps an open page up to date over the WebSocket protocol `blog.live.v1`. Without this file the page is just as old
// as its last load. The HTML in messages is rendered and sanitised by the server, by the templates that made the page.

const PROTOCOL = "blog.live.v1";
const SLOWEST = 30_000;

const mark = document.querySelector('meta[name="live-cursor"]');
const address = document.querySelector('meta[name="live-address"]');
const region = document.querySelector("[data-live]");
if (mark && address && region) follow(mark.content);

function follow(cursor) {
  let failures = 0;
  let gaps = 0;

  function connect() {
    const url = new URL(address.content, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, PROTOCOL);
    const send = (message) => socket.send(JSON.stringify(message));
    const subscribe = () => send({ type: "subscribe", id: "page", channel: region.dataset.live, after: cursor });
    let wait = null;

    const handlers = {
      welcome: subscribe,
      subscribed() {
        failures = gaps = 0;
      },
      ping: () => send({ type: "pong" }),
      event(message) {
        show(message);
        cursor = message.cursor;
      },
      async gap() {
        gaps += 1;
        const fresh = gaps > 3 ? null : await refetch();
        if (fresh === null) return socket.close();
        cursor = fresh;
        if (socket.readyState === WebSocket.OPEN) subscribe();
      },
      error({ status }) {
        if (status === 404) refetch(); // what this page shows is hidden by now: the answer says so to the reader
      },
      bye(message) {
        const [least, most] = message.reconnect_ms;
        wait = least + Math.random() * (most - least);
      },
    };

    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      handlers[message.type]?.(message);
    });
    socket.addEventListener("close", () => {
      failures += 1;
      const longest = Math.min(SLOWEST, 500 * 2 ** failures);
      setTimeout(connect, wait ?? longest * (0.5 + Math.random() / 2));
    });
  }

  // A page that the browser brings back from its cache has a closed socket, whose `close` event reconnects it.
  connect();
}

function show({ event, data }) {
  const shown = document.getElementById("posts") ? onList : onPost;
  shown[event]?.(data);
}

const onList = {
  "post.published": ({ post, html }) => putCard(post, html),
  "post.updated": ({ post, html }) => document.getElementById(`post-${post.id}`) && putCard(post, html),
  "post.unpublished": dropCard,
  "post.deleted": dropCard,
};

const onPost = {
  "post.published": ({ post, html }) => putArticle(post, html),
  "post.updated": ({ post, html }) => putArticle(post, html),
  "post.unpublished": () => setGone(true),
  "post.deleted": () => setGone(true),
  "comment.created": ({ comment, post, html }) => {
    putComment(comment, html);
    count(post.comments);
  },
  "comment.updated": ({ comment, html }) => document.getElementById(`comment-${comment.id}`) && putComment(comment, html),
  "comment.removed": ({ comment, post }) => {
    removeComment(comment);
    count(post.comments);
  },
};

// Lists of posts

function putCard(post, html) {
  const card = fragment(html);
  const present = document.getElementById(card.id);
  if (present) {
    present.replaceWith(card);
    return;
  }
  if (!("liveFirst" in region.dataset)) return;
  const time = published(card);
  const later = [...region.children].find((other) => published(other) <= time);
  if (!later && "liveMore" in region.dataset) return; // it belongs on a later page
  region.insertBefore(card, later ?? null);
  card.classList.add("arrived");
  setEmpty();
  say(`New post: ${post.title}`);
}

function dropCard({ post }) {
  const card = document.getElementById(`post-${post.id}`);
  if (!card) return;
  card.remove();
  setEmpty();
  say("A post was taken down.");
}

function published(card) {
  return card.querySelector("time").dateTime;
}

function setEmpty() {
  document.getElementById("posts-empty").hidden = region.childElementCount > 0;
}

// One post

function putArticle(post, html) {
  const article = fragment(html);
  const present = document.getElementById(article.id);
  setGone(false);
  if (!present || present.isEqualNode(article)) return;
  present.replaceWith(article);
  say("This post was changed.");
}

function setGone(isGone) {
  const notice = document.getElementById("post-gone");
  if (notice.hidden !== isGone) return;
  notice.hidden = !isGone;
  if (isGone) say(notice.textContent.trim());
}

function putComment(comment, html) {
  const article = fragment(html);
  const present = document.getElementById(article.id);
  if (present) {
    present.replaceWith(article);
    return;
  }
  const threads = document.getElementById("threads");
  if (!threads || "liveMore" in threads.dataset) return; // its place is on a later page
  const thread = document.createElement("li");
  thread.className = "thread";
  thread.append(article);
  place(answersTo(comment.parent_id, threads), thread, comment.id);
  article.classList.add("arrived");
  say(`New comment by ${comment.author}`);
}

// By their ids, since a comment that was removed may come back in the middle.
function place(list, thread, id) {
  const later = [...list.children].find((other) => Number(other.querySelector(".comment").id.split("-")[1]) > id);
  list.insertBefore(thread, later ?? null);
}

function answersTo(parentId, threads) {
  const parent = document.getElementById(`comment-${parentId}`)?.closest(".thread");
  if (!parent) return threads;
  if (depth(parent) >= Number(threads.dataset.deepest)) return parent.parentElement;
  const present = parent.querySelector(":scope > .replies");
  if (present) return present;
  const list = document.createElement("ol");
  list.className = "replies";
  parent.append(list);
  return list;
}

function depth(thread) {
  const outer = thread.parentElement.closest(".thread");
  return outer ? depth(outer) + 1 : 0;
}

function removeComment({ id }) {
  const comment = document.getElementById(`comment-${id}`);
  if (!comment || comment.classList.contains("removed")) return;
  comment.parentElement.querySelector(":scope > .comment-tools")?.remove();
  comment.classList.add("removed");
  comment.replaceChildren(document.getElementById("removed-comment").content.cloneNode(true));
  say("A comment was removed.");
}

function count(comments) {
  const place = document.getElementById("comments-count");
  if (place) place.textContent = comments === 1 ? "1 comment" : `${comments} comments`;
}

// All pages

function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

function say(words) {
  document.getElementById("live-status").textContent = words;
}

// The log does not reach back far enough: take the content anew, and the cursor that goes with it.
async function refetch() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response) return null;
  if (response.status === 404) setGone(true);
  if (!response.ok) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const id of ["posts", "post", "threads", "comments-count"]) {
    const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (old && fresh) old.replaceChildren(...fresh.childNodes);
  }
  if (document.getElementById("posts")) setEmpty();
  return page.querySelector('meta[name="live-cursor"]')?.content ?? null;
}
