// The page of a post: the article and its comments.

export function begin({ fragment, patch, announce }) {
  const find = (id) => document.getElementById(id);
  const threads = find("threads");

  function updateArticle({ html }) {
    const article = fragment(html);
    const present = find(article.id);
    setRemoved(false);
    if (!present || present.isEqualNode(article)) return;
    patch(present, article);
    addPlayers();
    announce("This post was updated.");
  }

  // The script of players is loaded with the first card.
  async function addPlayers() {
    if (document.querySelector("[data-frame]")) (await import("./embeds.js")).addButtons();
  }

  function setRemoved(isRemoved) {
    const notice = find("post-unpublished");
    if (notice.hidden !== isRemoved) return;
    notice.hidden = !isRemoved;
    if (isRemoved) announce(notice.textContent.trim());
  }

  function upsertComment({ comment, html }) {
    const article = fragment(html);
    const present = find(article.id);
    if (present) return present.replaceWith(article);
    if (!threads || "liveMore" in threads.dataset) return; // it belongs to a later page
    const thread = document.createElement("li");
    thread.className = "thread";
    thread.append(article);
    insertSorted(repliesTo(comment.parent_id), thread, comment.id);
    article.classList.add("just-added");
    announce(`New comment by ${(comment.author ?? comment.guest).name}`);
  }

  // Sorted by id, because a restored comment can appear in the middle.
  function insertSorted(list, thread, id) {
    const later = [...list.children].find((other) => Number(other.querySelector(".comment").id.split("-")[1]) > id);
    list.insertBefore(thread, later ?? null);
  }

  function repliesTo(parentId) {
    const parent = find(`comment-${parentId}`)?.closest(".thread");
    if (!parent) return threads;
    if (depth(parent) >= Number(threads.dataset.maxDepth)) return parent.parentElement;
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
    const comment = find(`comment-${id}`);
    if (!comment || comment.classList.contains("removed")) return;
    comment.parentElement.querySelector(":scope > .comment-tools")?.remove();
    comment.classList.add("removed");
    comment.replaceChildren(find("removed-comment").content.cloneNode(true));
    announce("A comment was removed.");
  }

  function updateCount({ comments }) {
    const place = find("comments-count");
    if (place) place.textContent = comments === 1 ? "1 comment" : `${comments} comments`;
  }

  return {
    handlers: {
      "post.published": updateArticle,
      "post.updated": updateArticle,
      "post.unpublished": () => setRemoved(true),
      "post.deleted": () => setRemoved(true),
      "comment.created"(data) {
        upsertComment(data);
        updateCount(data.post);
      },
      "comment.updated": (data) => find(`comment-${data.comment.id}`) && upsertComment(data),
      "comment.removed"({ comment, post }) {
        removeComment(comment);
        updateCount(post);
      },
    },
    refreshed(page) {
      if (!page) return setRemoved(true);
      for (const id of ["post", "threads", "comments-count"]) {
        const [old, fresh] = [find(id), page.getElementById(id)];
        if (old && fresh) patch(old, fresh);
      }
      addPlayers();
    },
  };
}
