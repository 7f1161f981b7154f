// Asks the browser for a passkey when a form is sent, and sends what it answers along. Without this file there is the password.

const REFUSED = "NotAllowedError"; // the person said no, or nothing for too long: browsers do not tell which
const KNOWN = "InvalidStateError";

const form = document.querySelector("form[data-passkey]");
const status = form.querySelector("[role=status]");
const makes = form.dataset.passkey === "create";
let offer = null; // a question that waits in the field of names, until something is chosen there

if (!globalThis.PublicKeyCredential) {
  status.textContent = "This browser knows no passkeys.";
  for (const button of form.querySelectorAll("button")) button.disabled = true;
} else {
  form.hidden = false;
  form.addEventListener("submit", onSubmit);
  if (!makes) offerInField();
}

async function onSubmit(event) {
  event.preventDefault();
  offer?.abort();
  status.textContent = "";
  try {
    finish(makes ? await create() : await get());
  } catch (error) {
    status.textContent = words(error);
  }
}

function finish(credential) {
  form.elements.credential.value = JSON.stringify(credential);
  form.submit(); // without another event
}

// Browsers that can do so list passkeys where names are filled in.
async function offerInField() {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  offer = new AbortController();
  try {
    finish(await get({ mediation: "conditional", signal: offer.signal }));
  } catch {
    // nothing was chosen
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

async function get(how = {}) {
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`asked for a challenge, and got ${answer.status}`);
  const options = await answer.json();
  options.challenge = bytes(options.challenge);
  const used = await navigator.credentials.get({ publicKey: options, ...how });
  const { response } = used;
  return plain(used, {
    authenticatorData: text(response.authenticatorData),
    clientDataJSON: text(response.clientDataJSON),
    signature: text(response.signature),
    userHandle: response.userHandle && text(response.userHandle),
  });
}

function plain(credential, response) {
  const { id, type, authenticatorAttachment } = credential;
  return { id, rawId: text(credential.rawId), type, authenticatorAttachment, response, clientExtensionResults: {} };
}

function words({ name }) {
  if (name === KNOWN) return "This device has a passkey for your account already.";
  if (name === REFUSED) return makes ? "No passkey was made. Try again when you like." : "No passkey was used. Try again, or use your password.";
  return "That did not work. Try again in a moment, or use your password.";
}

function bytes(base64url) {
  const characters = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

function text(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(characters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
