// Shows how a search engine and a shared link would present the post, and how long its title and description are.

const BEST_LENGTHS = { title: 60, description: 155 };

export function searchPreview(form, area) {
  const box = form.querySelector(".search-preview");
  const { elements } = form;
  const part = (name) => box.querySelector(`[data-part=${name}]`);
  box.hidden = false;

  function show() {
    const title = elements.meta_title.value.trim() || elements.title.value.trim() || "Untitled";
    const description = elements.meta_description.value.trim() || elements.custom_excerpt.value.trim() || firstWords(area.value);
    part("address").textContent = box.dataset.base + (elements.slug.value.trim() || "…");
    for (const name of ["title", "card-title"]) part(name).textContent = title;
    for (const name of ["description", "card-description"]) part(name).textContent = description;
    part("lengths").textContent = `Title: ${lengthOf(title, "title")}. Description: ${lengthOf(description, "description")}.`;
    const image = elements.feature_image_url.value.trim();
    part("image").hidden = !image;
    if (image && part("image").getAttribute("src") !== image) part("image").src = image;
  }

  form.addEventListener("input", show);
  show();
}

function lengthOf(text, kind) {
  const count = [...text].length;
  const best = BEST_LENGTHS[kind];
  return count > best ? `${count} characters, search engines show about ${best}` : `${count} of about ${best} characters`;
}

// The start of the text without the commonest marks. The server makes the excerpt of the published post from its HTML.
function firstWords(markdown) {
  const plain = markdown.replace(/```[\s\S]*?```/g, " ").replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*_`#>~|]+/g, " ");
  const words = plain.replace(/\s+/g, " ").trim();
  return words.length > 155 ? `${words.slice(0, 154).replace(/\s+\S*$/, "")}…` : words;
}
