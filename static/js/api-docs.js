// Sends requests from the API documentation, and shows the responses. Without JavaScript the page is complete, except for these forms.

const token = document.getElementById("token");

for (const form of document.querySelectorAll(".send form")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}

async function send(form) {
  const output = form.querySelector(".send-response");
  output.replaceChildren(paragraph("Sending…"));
  const started = performance.now();
  try {
    const response = await fetch(...requestOf(form));
    const text = await response.text();
    const duration = Math.round(performance.now() - started);
    output.replaceChildren(
      paragraph(`${response.status} ${response.statusText} · ${duration} ms`),
      block("Header fields", [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n")),
      ...(text ? [block("Body", format(text, response.headers.get("Content-Type") ?? ""))] : []),
    );
  } catch (error) {
    output.replaceChildren(paragraph(`No response: ${error.message}`));
  }
}

// Returns the arguments of `fetch`. With a token the session is not sent: the token alone decides what is allowed.
function requestOf(form) {
  const headers = new Headers();
  let path = form.dataset.path;
  let body;
  const query = new URLSearchParams();
  for (const { name, value, files, type, dataset } of form.querySelectorAll("[data-in]")) {
    if (dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (dataset.in === "form") (body ??= new FormData()).append(name, type === "file" ? files[0] : value);
    else if (dataset.in === "body") {
      headers.set("Content-Type", dataset.mediaType);
      body = value;
    } else if (value && dataset.in === "query") query.append(name, value);
    else if (value && dataset.in === "header") headers.set(name, value);
  }
  if (token.value) headers.set("Authorization", `Bearer ${token.value}`);
  const url = query.size ? `${path}?${query}` : path;
  return [url, { method: form.dataset.method, headers, body, credentials: token.value ? "omit" : "same-origin" }];
}

function format(text, type) {
  try {
    return /[/+]json/.test(type) ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch {
    return text;
  }
}

function paragraph(text) {
  return Object.assign(document.createElement("p"), { textContent: text });
}

function block(label, text) {
  const pre = Object.assign(document.createElement("pre"), { className: "highlight", tabIndex: 0, textContent: text });
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", label);
  const part = document.createDocumentFragment();
  part.append(paragraph(label), pre);
  return part;
}
