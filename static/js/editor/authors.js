// Completes the authors of a post, or with `isSingle` one author, with users that may write posts.

import { complete } from "./completions.js";

export function completeAuthors(input, url, { isSingle = false } = {}) {
  async function find(word, typed) {
    const response = await fetch(`${url}?q=${encodeURIComponent(word)}`).catch(() => null);
    const found = response?.ok ? await response.json() : [];
    const taken = isSingle ? [] : [...typed, word];
    return found
      .filter(({ username }) => !taken.includes(username.toLowerCase()))
      .map(({ username, name }) => ({ value: username, text: name === username ? username : `${name} (${username})` }));
  }

  complete(input, { id: "author-names", label: "Authors", find, isSingle });
}
