// Passkeys: the browser's part. A form with data-passkey="create" or "get" puts what the browser answers into its field
// `credential`. What the server asks for stands in #passkey-options; a form without it fetches it from its address.
"use strict";

async function optionsOf(form) {
  const written = document.getElementById("passkey-options");
  if (written) return JSON.parse(written.textContent);
  const answer = await fetch(form.action, {
    headers: { Accept: "application/json" },
  });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function askBrowser(form) {
  const options = await optionsOf(form);
  if (form.dataset.passkey === "get")
    return window.webauthnJSON.get(options.request_options);
  const creation = options.creation_options;
  const selection = creation.publicKey.authenticatorSelection;
  const signsInAlone = form.elements.passwordless?.checked ?? false;
  selection.residentKey = signsInAlone ? "required" : "discouraged";
  selection.requireResidentKey = signsInAlone;
  if (signsInAlone) selection.userVerification = "required";
  return window.webauthnJSON.create(creation);
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const button = form.querySelector("[data-asks-passkey]");
  if (!window.PublicKeyCredential) continue; // the button stays hidden
  button.hidden = false;
  const problem = form.querySelector("[data-passkey-problem]");
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    button.disabled = true;
    problem.hidden = true;
    try {
      form.elements.credential.value = JSON.stringify(await askBrowser(form));
      form.submit();
    } catch {
      problem.hidden = false;
      button.disabled = false;
    }
  });
}
