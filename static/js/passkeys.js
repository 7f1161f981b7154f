// Requests a passkey from the browser when the form is submitted, and submits the credential. Without it, users sign in by password.

const REFUSED = "NotAllowedError"; // cancelled or timed out: browsers do not distinguish the two
const ALREADY_REGISTERED = "InvalidStateError";

const form = document.querySelector("form[data-passkey]");
const status = form.querySelector("[role=status]");
const isRegistration = form.dataset.passkey === "create";
let autofill = null; // the pending request for passkeys in the autofill of the username field

if (!globalThis.PublicKeyCredential) {
  status.textContent = "This browser does not support passkeys.";
  for (const button of form.querySelectorAll("button")) button.disabled = true;
} else {
  form.hidden = false;
  form.addEventListener("submit", onSubmit);
  if (!isRegistration) offerAutofill();
}

async function onSubmit(event) {
  event.preventDefault();
  autofill?.abort();
  status.textContent = "";
  try {
    finish(isRegistration ? await create() : await get());
  } catch (error) {
    status.textContent = message(error);
  }
}

function finish(credential) {
  form.elements.credential.value = JSON.stringify(credential);
  form.submit(); // does not fire another submit event
}

// Lists passkeys in the autofill of the username field, if the browser supports it.
async function offerAutofill() {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  autofill = new AbortController();
  try {
    finish(await get({ mediation: "conditional", signal: autofill.signal }));
  } catch {
    // no passkey was chosen
  }
}

async function create() {
  const options = JSON.parse(form.dataset.options);
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  options.excludeCredentials = (options.excludeCredentials ?? []).map((known) => ({ ...known, id: bytes(known.id) }));
  const made = await navigator.credentials.create({ publicKey: options });
  const { response } = made;
  return plain(made, {
    attestationObject: text(response.attestationObject),
    clientDataJSON: text(response.clientDataJSON),
    transports: response.getTransports?.() ?? [],
  });
}

async function get(requestOptions = {}) {
  const response = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`requesting a challenge failed with status ${response.status}`);
  const options = await response.json();
  options.challenge = bytes(options.challenge);
  const used = await navigator.credentials.get({ publicKey: options, ...requestOptions });
  const { authenticatorData, clientDataJSON, signature, userHandle } = used.response;
  return plain(used, {
    authenticatorData: text(authenticatorData),
    clientDataJSON: text(clientDataJSON),
    signature: text(signature),
    userHandle: userHandle && text(userHandle),
  });
}

function plain(credential, response) {
  const { id, type, authenticatorAttachment } = credential;
  return { id, rawId: text(credential.rawId), type, authenticatorAttachment, response, clientExtensionResults: {} };
}

function message({ name }) {
  if (name === ALREADY_REGISTERED) return "This device already has a passkey for your account.";
  if (name === REFUSED) return isRegistration ? "No passkey was created. You can try again." : "No passkey was used. Try again or use your password.";
  return "Something went wrong. Try again in a moment or use your password.";
}

function bytes(base64url) {
  const characters = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

function text(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(characters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
