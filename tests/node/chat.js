// A chat of the double of Teams, in a browser: see `connector.cjs`.
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const colours = dark
  ? { back: "#1f1f1f", loud: "#3b1f23", default: "#ffffff", soft: "#adadad", good: "#92c353", warning: "#f8d22a", attention: "#f9526b", accent: "#a6a7dc" }
  : { back: "#ffffff", loud: "#fcf4f6", default: "#242424", soft: "#616161", good: "#237b4b", warning: "#835c00", attention: "#c4314b", accent: "#5b5fc7" };
const style = (backgroundColor) => ({
  backgroundColor,
  foregroundColors: Object.fromEntries(["default", "good", "warning", "attention", "accent"].map((name) => [name, { default: colours[name], subtle: colours.soft }])),
});
const config = new AdaptiveCards.HostConfig({
  supportsInteractivity: true,
  fontFamily: "Segoe UI, DejaVu Sans, sans-serif",
  containerStyles: { default: style(colours.back), attention: style(colours.loud) },
  actions: { maxActions: 6, buttonSpacing: 8, actionsOrientation: "horizontal", actionAlignment: "left" },
});
AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => {
  result.outputHtml = markdownit().render(text);
  result.didProcess = true;
};

function drawn(content, message) {
  const card = new AdaptiveCards.AdaptiveCard();
  card.hostConfig = config;
  card.parse(content);
  card.onExecuteAction = async (action) => {
    if (action.getJsonTypeName() === "Action.OpenUrl") return void open(action.url);
    const chosen = Object.fromEntries(card.getAllInputs().filter((input) => input.value).map((input) => [input.id, input.value]));
    const answer = await fetch(`${location.pathname}/click`, { method: "POST", body: JSON.stringify({ message, verb: action.verb, chosen }) });
    const { body } = await answer.json();
    // As the client does: the card of the answer is shown at once, in place of what was clicked on.
    if (body.type.endsWith("card.adaptive")) document.getElementById(message).replaceChildren(drawn(body.value, message));
    else document.getElementById(message).append(body.value.message || body.value);
  };
  return card.render();
}

// What was said, as often as it changes.
let shown = "";
async function look() {
  const messages = await (await fetch(`${location.pathname}/messages`)).json();
  const now = JSON.stringify(messages.map(({ id, versions }) => [id, versions.length]));
  if (now === shown) return;
  shown = now;
  document.querySelector("main").replaceChildren(...messages.map(({ id, versions }) => {
    const last = versions[versions.length - 1];
    const box = Object.assign(document.createElement("div"), { id, className: "message" });
    const card = last.attachments?.[0]?.content;
    if (card) box.append(drawn(card, id));
    else box.innerHTML = markdownit().render(last.text);
    return box;
  }));
}
setInterval(look, 200);
look();
