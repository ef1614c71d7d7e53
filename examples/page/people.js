// Contacts and switches: shown as the server says, changed by asking it.

const $ = (id) => document.getElementById(id);

/**
 * Show everybody this person has to do with.
 * @param {object[]} contacts
 * @param {object} actions `call(name)`, `relate(name, facts)`, `message(name)`, `acceptMessage(name)`.
 */
export function showContacts(contacts, actions) {
  $("nobody").hidden = contacts.length > 0;
  const focused = document.activeElement?.closest(".contact")?.dataset.name;
  const control = document.activeElement?.dataset.control;
  $("contacts").replaceChildren(...contacts.map((contact) => card(contact, actions)));
  const again = [...$("contacts").children].find((each) => each.dataset.name === focused);
  again?.querySelector(`[data-control="${control}"]`)?.focus();
}

/** Show this person's switches. */
export function showSettings({ calling, allow, enhanced_call_privacy }) {
  $("calling").checked = calling;
  $("allow").disabled = !calling;
  for (const box of $("allow").querySelectorAll("input")) box.checked = allow.includes(box.value);
  $("privacy").checked = enhanced_call_privacy;
}

/** This person's switches, as they stand on the page. */
export function readSettings() {
  const boxes = [...$("allow").querySelectorAll("input:checked")];
  $("allow").disabled = !$("calling").checked;
  return {
    calling: $("calling").checked,
    allow: boxes.map((box) => box.value),
    enhanced_call_privacy: $("privacy").checked,
  };
}

function card(contact, actions) {
  const { name } = contact;
  const item = $("contact").content.cloneNode(true).firstElementChild;
  const find = (selector) => item.querySelector(selector);
  item.dataset.name = name;
  find(".avatar").textContent = [...name][0];
  find(".name").textContent = name;
  find(".may-call").textContent = contact.may_call ? "May call you" : "May not call you";
  find(".call").setAttribute("aria-label", `Call ${name}`);
  find(".call").onclick = () => actions.call(name);
  find(".chips").setAttribute("aria-label", `What you think of ${name}`);
  for (const chip of item.querySelectorAll("[data-fact]")) {
    const { fact } = chip.dataset;
    chip.setAttribute("aria-pressed", contact[fact]);
    chip.onclick = () => actions.relate(name, { [fact]: !contact[fact] });
  }
  find(".message").hidden = contact.message !== "none";
  find(".message").onclick = () => actions.message(name);
  find(".accept-message").hidden = contact.message !== "sent";
  find(".accept-message").onclick = () => actions.acceptMessage(name);
  for (const button of item.querySelectorAll("button")) {
    button.dataset.control = button.dataset.fact ?? button.className;
  }
  return item;
}
