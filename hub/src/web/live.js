"use strict";
// Each time also in the reader's own zone.
function local(root) {
  for (const time of root.querySelectorAll("time")) time.title = new Date(time.dateTime).toLocaleString();
}
// Lists renew themselves while they are looked at and nobody types into them.
async function renew() {
  const list = document.querySelector("[data-live]");
  if (!list || document.hidden || list.contains(document.activeElement) || list.querySelector("details[open]")) return;
  try {
    const answer = await fetch(location.href, { headers: { "jit-live": "1" }, redirect: "error" });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.querySelector("[data-live]");
    if (!next || next.innerHTML === list.innerHTML) return;
    local(next);
    list.replaceWith(document.adoptNode(next));
  } catch {
    // The hub is away: what is shown stays, until the next time.
  }
}
local(document);
setInterval(renew, 10000);
