// Completes tags with existing ones, the most used first.

import { complete } from "./completions.js";

export function completeTags(input, url) {
  let names;

  async function load() {
    const response = await fetch(url).catch(() => null);
    return response?.ok ? (await response.json()).sort((a, b) => b.posts - a.posts).map((tag) => tag.name) : [];
  }

  async function find(word, typed) {
    const all = await (names ??= load()); // loaded once, on first use
    const free = all.filter((name) => !typed.includes(name.toLowerCase()) && name.toLowerCase() !== word);
    const rank = (name) => name.toLowerCase().indexOf(word);
    const matches = free.filter((name) => rank(name) >= 0).sort((a, b) => (rank(a) > 0) - (rank(b) > 0));
    return matches.map((name) => ({ value: name, text: name }));
  }

  complete(input, { id: "tag-names", label: "Existing tags", find });
}
