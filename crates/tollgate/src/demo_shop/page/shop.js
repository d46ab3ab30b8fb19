// The shop works without this. It saves clicks.
"use strict";

// A changed cart is priced at once.
for (const field of document.querySelectorAll("[data-prices]")) {
  field.addEventListener("change", () => {
    const update = document.getElementById("update");
    if (update && field.reportValidity()) update.click();
  });
}

// A test card of the list goes into the card form.
for (const button of document.querySelectorAll("button[data-number]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const form = document.getElementById("card-form");
    if (!form) return;
    form.elements.card_number.value = button.dataset.number;
    form.elements.expiry_date.value = button.dataset.expiry;
    form.elements.card_security_code.value = button.dataset.code;
    form.elements.card_number.scrollIntoView({ block: "center" });
    form.querySelector("button[type=submit]").focus({ preventScroll: true });
  });
}

// The gateway's card form opens in its frame at once.
const framed = document.querySelector("form[data-framed]");
if (framed) framed.submit();

// Back from the gateway inside a frame: go on in the whole window.
const leave = document.querySelector("a[data-leave]");
if (leave && window.top !== window.self) window.top.location.href = leave.href;
else if (leave) window.location.replace(leave.href);

for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", () => navigator.clipboard.writeText(button.dataset.copy));
}
