// The page of one post: its text, and the discussion below it.

export function begin({ fragment, patch, say }) {
  const find = (id) => document.getElementById(id);
  const threads = find("threads");

  function putArticle({ html }) {
    const article = fragment(html);
    const present = find(article.id);
    setGone(false);
    if (!present || present.isEqualNode(article)) return;
    patch(present, article);
    say("This post was changed.");
  }

  function setGone(isGone) {
    const notice = find("post-gone");
    if (notice.hidden !== isGone) return;
    notice.hidden = !isGone;
    if (isGone) say(notice.textContent.trim());
  }

  function putComment({ comment, html }) {
    const article = fragment(html);
    const present = find(article.id);
    if (present) return present.replaceWith(article);
    if (!threads || "liveMore" in threads.dataset) return; // its place is on a later page
    const thread = document.createElement("li");
    thread.className = "thread";
    thread.append(article);
    place(answersTo(comment.parent_id), thread, comment.id);
    article.classList.add("just-added");
    say(`New comment by ${comment.author}`);
  }

  // By their ids, since a comment that was removed may come back in the middle.
  function place(list, thread, id) {
    const later = [...list.children].find((other) => Number(other.querySelector(".comment").id.split("-")[1]) > id);
    list.insertBefore(thread, later ?? null);
  }

  function answersTo(parentId) {
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
    say("A comment was removed.");
  }

  function count({ comments }) {
    const place = find("comments-count");
    if (place) place.textContent = comments === 1 ? "1 comment" : `${comments} comments`;
  }

  return {
    handlers: {
      "post.published": putArticle,
      "post.updated": putArticle,
      "post.unpublished": () => setGone(true),
      "post.deleted": () => setGone(true),
      "comment.created"(data) {
        putComment(data);
        count(data.post);
      },
      "comment.updated": (data) => find(`comment-${data.comment.id}`) && putComment(data),
      "comment.removed"({ comment, post }) {
        removeComment(comment);
        count(post);
      },
    },
    refreshed(page) {
      if (!page) return setGone(true);
      for (const id of ["post", "threads", "comments-count"]) {
        const [old, fresh] = [find(id), page.getElementById(id)];
        if (old && fresh) patch(old, fresh);
      }
    },
  };
}
