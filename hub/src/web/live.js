"use strict";
// Each time also in the reader's own zone, where that is another: with the day where it is another one too.
const day = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
function local(root) {
  if (new Date().getTimezoneOffset() === 0) return;
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const date = day.format(at);
    const here = document.createElement("span");
    here.className = "local";
    here.textContent = ` (${date === time.dateTime.slice(0, 10) ? "" : date + " "}${hour.format(at)} here)`;
    time.append(here);
  }
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
    if (!next) return;
    local(next);
    if (next.innerHTML === list.innerHTML) return;
    list.replaceWith(document.adoptNode(next));
  } catch {
    // The hub is away: what is shown stays, until the next time.
  }
}
local(document);
setInterval(renew, 10000);
