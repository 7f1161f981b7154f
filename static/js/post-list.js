// Lists of all posts: a box that selects all posts of the page, and the number of selected posts.

const form = document.querySelector(".bulk-form");
if (form) {
  const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
  const status = form.querySelector("#selection-count");
  const all = Object.assign(document.createElement("input"), { type: "checkbox", ariaLabel: "Select all posts on this page" });

  function update() {
    const count = boxes.filter((box) => box.checked).length;
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
    status.textContent = count ? `${count} selected` : "";
  }

  form.querySelector("thead .select").replaceChildren(all);
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    update();
  });
  form.addEventListener("change", update);
  addEventListener("pageshow", update);
  update();
}
