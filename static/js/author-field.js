// Completes fields for one author, such as the new author of several posts.

import { completeAuthors } from "./editor/authors.js";

for (const input of document.querySelectorAll("input[data-authors]")) {
  completeAuthors(input, input.dataset.authors, { isSingle: true });
}
