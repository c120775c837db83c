// A double of what Microsoft runs for a bot in Teams: the token endpoint, the OpenID metadata and keys, and the Bot
// Connector. It holds to Microsoft's published protocol: bodies are looked at by Microsoft's own types
// (botframework-schema), cards by Microsoft's own renderer (adaptivecards), and what it signs is what Microsoft's own
// validation (botframework-connector) takes. Its clicks carry only what is on the card that it was sent.
//
//   node connector.cjs TENANT APP_ID SECRET
//
// Each line that it is told asks something of it ({"what", "says"}, see `control`), and each that it says answers one. A browser
// finds chats under /emea/chat/CONVERSATION/ACCOUNT/ID: cards as Microsoft's renderer draws them, whose buttons click.
"use strict";
// Microsoft's validation tells what it refuses there.
console.error = () => {};
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const readline = require("node:readline");
// The bundle that Microsoft publishes for browsers; it needs none to read a card.
globalThis.self = globalThis;
const adaptive = require("adaptivecards/dist/adaptivecards.min.js");
const schema = require("botframework-schema");

const [tenant, appId, secret] = process.argv.slice(2);
let hub, ca;
const ISSUER = "https://api.botframework.com";
const LARGEST = 28 * 1024;
// A second: in one chat, and of one bot in all of a tenant.
const PER_SECOND = 7;
const PER_SECOND_IN_ALL = 50;
// A message can be changed only once it has settled.
const SETTLES_MS = 150;

// Keys of the tests' own, drawn once.
function drawn(kid) {
  const file = `key-${kid}.pem`;
  if (!fs.existsSync(file)) {
    const { privateKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
    fs.writeFileSync(`${file}-${process.pid}`, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    fs.renameSync(`${file}-${process.pid}`, file);
  }
  const privateKey = crypto.createPrivateKey(fs.readFileSync(file));
  return { privateKey, publicKey: crypto.createPublicKey(privateKey) };
}
const key = (kid, endorsements) => ({ kid, endorsements, ...drawn(kid) });
const keys = { main: key("main", ["msteams", "webchat"]), other: key("other", ["webchat"]), stranger: key("stranger", ["msteams"]) };
const published = ["main", "other"];

const state = { tokens: new Map(), places: new Map(), messages: [], faults: [], seen: {}, calls: [], all: [], ids: 0, secret };
let base;

const base64url = (value) => Buffer.from(value).toString("base64url");
const seconds = () => Math.floor(Date.now() / 1000);

// A token as Microsoft signs it, with what a test wants otherwise.
function sign({ head = {}, claims = {}, fromNow = {}, key: name = "main", secretOf } = {}) {
  const header = { alg: "RS256", typ: "JWT", kid: keys[name].kid, x5t: keys[name].kid, ...head };
  const all = {
    serviceurl: base, nbf: seconds() - 10, exp: seconds() + 3600, iss: ISSUER, aud: appId, ...claims,
  };
  for (const name of Object.keys(fromNow)) all[name] = seconds() + fromNow[name];
  for (const name of Object.keys(all)) if (all[name] === null) delete all[name];
  const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(all))}`;
  if (header.alg === "none") return `${text}.`;
  if (header.alg === "HS256") {
    const shared = keys[secretOf].publicKey.export({ type: "spki", format: "pem" });
    return `${text}.${crypto.createHmac("sha256", shared).update(text).digest("base64url")}`;
  }
  return `${text}.${crypto.createSign("RSA-SHA256").update(text).sign(keys[name].privateKey, "base64url")}`;
}

// What is wrong with a card, by Microsoft's renderer.
function judged(card) {
  const wrong = [];
  const context = new adaptive.SerializationContext(adaptive.Versions.v1_5);
  const parsed = new adaptive.AdaptiveCard();
  parsed.parse(card, context);
  for (let at = 0; at < context.eventCount; at++) wrong.push(context.getEventAt(at).message);
  for (const found of parsed.validateProperties().validationEvents) wrong.push(found.message);
  if (card.version !== "1.5") wrong.push("not of version 1.5");
  // What the renderer does not know it leaves out.
  compare(card, parsed.toJSON(context), "card", wrong);
  if (card.refresh && (card.refresh.userIds || []).length > 60) wrong.push("more than 60 userIds");
  if (JSON.stringify(card).length > LARGEST) wrong.push("too large");
  for (const action of actions(card)) {
    if (action.fallback && action.fallback.type !== "Action.Submit") wrong.push("a fallback that old clients do not know");
  }
  return wrong;
}

const OWN = new Set(["$schema", "msteams", "fallback", "fallbackText", "refresh", "bleed", "style"]);
function compare(was, is, at, wrong) {
  if (Array.isArray(was)) {
    if (!Array.isArray(is) || was.length !== is.length) return void wrong.push(`${at}: something of it is not known`);
    was.forEach((one, n) => compare(one, is[n], `${at}[${n}]`, wrong));
  } else if (was && typeof was === "object") {
    for (const name of Object.keys(was)) {
      if (OWN.has(name)) continue;
      if (!is || !(name in is)) wrong.push(`${at}.${name}: not known`);
      else compare(was[name], is[name], `${at}.${name}`, wrong);
    }
  } else if (was !== is && String(was).toLowerCase() !== String(is).toLowerCase()) {
    wrong.push(`${at}: ${was} was read as ${is}`);
  }
}

function walk(element, found) {
  if (Array.isArray(element)) element.forEach((one) => walk(one, found));
  else if (element && typeof element === "object") {
    found.push(element);
    for (const name of ["body", "items", "actions", "columns"]) walk(element[name], found);
  }
}
function elements(card) {
  const found = [];
  walk(card, found);
  return found;
}
const actions = (card) => elements(card).filter((one) => String(one.type).startsWith("Action."));
const inputs = (card) => elements(card).filter((one) => String(one.type).startsWith("Input."));

function answer(response, status, body, heads = {}) {
  response.writeHead(status, { "content-type": "application/json", ...heads });
  response.end(body === undefined ? "" : JSON.stringify(body));
}
const refused = (response, status, code, message, heads) => answer(response, status, { error: { code, message } }, heads);

function granted(request, form, response) {
  state.seen.token = (state.seen.token || 0) + 1;
  const asked = new URLSearchParams(form);
  if (asked.get("grant_type") !== "client_credentials" || asked.get("scope") !== "https://api.botframework.com/.default") {
    return answer(response, 400, { error: "invalid_request", error_description: "AADSTS900144: The request body is wrong." });
  }
  if (asked.get("client_id") !== appId) {
    return answer(response, 400, { error: "unauthorized_client", error_description: "AADSTS700016: Application was not found in the directory." });
  }
  if (asked.get("client_secret") !== state.secret) {
    return answer(response, 401, { error: "invalid_client", error_description: "AADSTS7000215: Invalid client secret provided." });
  }
  const token = crypto.randomBytes(24).toString("base64url");
  state.tokens.set(token, Date.now() + 3600e3);
  answer(response, 200, { token_type: "Bearer", expires_in: 3600, ext_expires_in: 3600, access_token: token });
}

// What the service itself adds to what a bot says.
const completed = (conversation) => ({
  channelId: "msteams", serviceUrl: base, from: { id: `28:${appId}`, name: "jit" }, recipient: { id: "", name: "" },
  conversation: { id: conversation, name: "", isGroup: false, conversationType: "" },
  localTimezone: "", callerId: "", label: "", valueType: "", text: "",
});

function connector(request, body, response, conversation, id) {
  const now = Date.now();
  state.calls.push({ method: request.method, conversation, id, at: now });
  const fault = state.faults.find((fault) => fault.times > 0 && (!fault.method || fault.method === request.method) && (!fault.conversation || fault.conversation === conversation));
  if (fault) {
    fault.times -= 1;
    if (fault.delay) return void setTimeout(() => (fault.then ? connector(request, body, response, conversation, id) : request.socket.destroy()), fault.delay);
    if (fault.lost) {
      // It is shown, and nobody hears what it is known by.
      if (fault.shown) keep(conversation, JSON.parse(body));
      return answer(response, 202, undefined);
    }
    return refused(response, fault.status, fault.code || "ServiceError", fault.message || "", fault.after ? { "retry-after": String(fault.after) } : {});
  }
  const shown = (request.headers.authorization || "").replace(/^Bearer /, "");
  if (!(state.tokens.get(shown) > now)) return refused(response, 401, "Unauthorized", "Authorization has been denied for this request.");
  const place = state.places.get(conversation.split(";")[0]);
  if (!place) return refused(response, 404, "ConversationNotFound", "Conversation not found.");
  if (place.blocked) return refused(response, 403, "MessageWritesBlocked", "Message writes are blocked by the user.");
  place.calls = place.calls.filter((at) => now - at < 1000);
  if (place.calls.length >= PER_SECOND) return refused(response, 429, "TooManyRequests", "Throttled.", { "retry-after": "1" });
  place.calls.push(now);
  state.all = state.all.filter((at) => now - at < 1000);
  if (state.all.length >= PER_SECOND_IN_ALL) return refused(response, 429, "TooManyRequests", "Throttled.", { "retry-after": "1" });
  state.all.push(now);
  if (body.length > LARGEST) return refused(response, 413, "MessageSizeTooBig", "Message size too large.");
  let activity;
  try {
    activity = JSON.parse(body);
    schema.assertActivity({ ...completed(conversation), ...activity });
  } catch (why) {
    return refused(response, 400, "BadSyntax", String(why.message));
  }
  for (const attachment of activity.attachments || []) {
    const wrong = attachment.contentType === "application/vnd.microsoft.card.adaptive" ? judged(attachment.content) : ["another attachment"];
    if (wrong.length) return refused(response, 400, "BadArgument", `Invalid card: ${wrong.join("; ")}`);
  }
  if (request.method === "POST") return answer(response, 201, { id: keep(conversation, activity) });
  const message = state.messages.find((message) => message.id === id && message.conversation === conversation);
  if (!message || now - message.made < SETTLES_MS) return refused(response, 404, "ActivityNotFoundInConversation", "Activity not found.");
  message.versions.push(activity);
  answer(response, 200, { id });
}

function keep(conversation, activity) {
  const id = String(1700000000000 + ++state.ids);
  state.messages.push({ conversation, id, made: Date.now(), versions: [activity] });
  return id;
}

// Calls the bot as Microsoft does.
function call(activity, signed, authorization) {
  const shown = authorization === undefined ? `Bearer ${sign(signed)}` : authorization;
  const body = Buffer.from(typeof activity === "string" ? activity : JSON.stringify(activity));
  const began = Date.now();
  return new Promise((resolve, reject) => {
    const heads = { "content-type": "application/json; charset=utf-8", "content-length": body.length };
    if (shown) heads.authorization = shown;
    const made = https.request(`${hub}/teams/messages`, { method: "POST", ca, headers: heads, agent: false }, (answered) => {
      const parts = [];
      answered.on("data", (part) => parts.push(part));
      answered.on("end", () => {
        const text = Buffer.concat(parts).toString();
        let body = text;
        try {
          body = JSON.parse(text);
        } catch {
          // Most have none.
        }
        resolve({ status: answered.statusCode, body, ms: Date.now() - began });
      });
    });
    made.on("error", reject);
    made.end(body);
  });
}

function activity(conversation, from, more) {
  const place = state.places.get(conversation.split(";")[0]) || {};
  return {
    id: String(1800000000000 + ++state.ids),
    timestamp: new Date().toISOString(),
    channelId: "msteams",
    serviceUrl: base,
    from,
    conversation: { id: conversation, conversationType: place.type || "channel", tenantId: tenant, isGroup: place.type !== "personal" },
    recipient: { id: `28:${appId}`, name: "jit" },
    channelData: { tenant: { id: tenant } },
    ...more,
  };
}

// A click on a button that is on the card, with what can be chosen and typed there.
function clicked({ message: id, version, card, verb, from, chosen = {}, old = false }) {
  const message = state.messages.find((message) => message.id === id);
  const shown = card || message.versions.at(version ?? -1).attachments[0].content;
  const button = actions(shown).find((one) => one.type === "Action.Execute" && one.verb === verb);
  if (!button) throw new Error(`no button ${verb} on the card`);
  const filled = {};
  for (const input of inputs(shown)) {
    const value = chosen[input.id] ?? input.value;
    if (value === undefined) continue;
    if (input.choices && !input.choices.some((choice) => choice.value === value)) throw new Error(`${value} cannot be chosen`);
    filled[input.id] = value;
  }
  for (const name of Object.keys(chosen)) if (!(name in filled)) throw new Error(`no field ${name} on the card`);
  const place = message.conversation;
  if (old) return activity(place, from, { type: "message", value: { ...button.fallback.data, ...filled }, replyToId: id });
  const value = { action: { type: button.type, id: button.id, title: button.title, verb, data: { ...button.data, ...filled } }, trigger: "manual" };
  return activity(place, from, { type: "invoke", name: "adaptiveCard/action", value, replyToId: id });
}

// What is wrong with the answer to an invoke.
function judgedAnswer({ status, body }) {
  const wrong = [];
  if (status !== 200) wrong.push(`status ${status}`);
  if (typeof body !== "object" || typeof body.statusCode !== "number" || typeof body.type !== "string") return [...wrong, "no invoke response"];
  if (body.type === "application/vnd.microsoft.card.adaptive") wrong.push(...judged(body.value));
  else if (body.type === "application/vnd.microsoft.activity.message") typeof body.value === "string" || wrong.push("no text");
  else if (body.type === "application/vnd.microsoft.error") (body.value && body.value.code && body.value.message) || wrong.push("no error");
  else wrong.push(`type ${body.type}`);
  return wrong;
}

// What tests ask of the double; no part of the protocol.
const control = {
  hub: (where) => void ([hub, ca] = [where.url, where.ca]),
  messages: ({ conversation }) => state.messages.filter((message) => message.conversation === conversation),
  shown: ({ words }) => state.messages.filter((message) => JSON.stringify(message.versions.at(-1)).includes(words)).map((message) => message.conversation),
  place: ({ id, type }) => void state.places.set(id, { type, calls: [] }),
  block: ({ id, blocked }) => void (state.places.get(id).blocked = blocked),
  fault: (fault) => void state.faults.push(fault),
  secret: ({ secret }) => void ((state.secret = secret), state.tokens.clear()),
  state: () => ({ seen: state.seen, calls: state.calls, faults: state.faults }),
  publish: ({ kid }) => void published.push(kid),
  keep: ({ conversation, activity }) => ({ id: keep(conversation, activity) }),
  judge: ({ card }) => ({ wrong: judged(card) }),
  say: ({ conversation, from, text, more = {} }) => call(activity(conversation, from, { type: "message", text, ...more })),
  send: async ({ conversation, from, more, signed, authorization }) => {
    const sent = activity(conversation, from, more);
    const answered = await call(sent, signed, authorization);
    return { ...answered, microsoft: await microsoft(authorization === undefined ? `Bearer ${sign(signed)}` : authorization, sent) };
  },
  click: async (what) => {
    const sent = clicked(what);
    const times = what.times || 1;
    const answers = await Promise.all(Array.from({ length: times }, () => call(sent, what.signed)));
    return { answers: answers.map((one) => ({ ...one, wrong: what.old ? [] : judgedAnswer(one) })) };
  },
  look: async ({ message: id, from }) => {
    const message = state.messages.find((message) => message.id === id);
    const { refresh } = message.versions.at(-1).attachments[0].content;
    if (!refresh || !refresh.userIds.includes(from.id)) return { answers: [] };
    const value = { action: { ...refresh.action }, trigger: "automatic" };
    const one = await call(activity(message.conversation, from, { type: "invoke", name: "adaptiveCard/action", value, replyToId: id }));
    return { answers: [{ ...one, wrong: judgedAnswer(one) }] };
  },
};

// What Microsoft's own validation says of a token and an activity.
async function microsoft(authorization, sent) {
  // It takes a while to load, and most tests ask it nothing.
  const { ChannelValidation, SimpleCredentialProvider } = require("botframework-connector");
  ChannelValidation.OpenIdMetadataEndpoint = `${base}openid`;
  try {
    await ChannelValidation.authenticateChannelTokenWithServiceUrl(authorization || "", new SimpleCredentialProvider(appId, ""), sent.serviceUrl, sent.channelId);
    return "believed";
  } catch (why) {
    return `refused: ${why.message}`;
  }
}

// A chat in a browser, as the client of Teams shows it: what was said, with cards drawn by Microsoft's renderer in the colours of
// Teams. Their buttons do what `clicked` does, and nothing else.
const files = {
  "adaptivecards.js": ["text/javascript", "adaptivecards/dist/adaptivecards.min.js"],
  "adaptivecards.css": ["text/css", "adaptivecards/dist/adaptivecards.css"],
  "markdown-it.js": ["text/javascript", "markdown-it/dist/markdown-it.min.js"],
  "chat.js": ["text/javascript", "./chat.js"],
};
const page = `<!doctype html><html lang=en><meta charset=utf-8><title>Teams</title><link rel=stylesheet href=/emea/adaptivecards.css>
<style>body{margin:0;padding:8px;background:#fff;color:#242424;font-family:"Segoe UI","DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){body{background:#1f1f1f;color:#fff}}
.message{margin:0 0 8px;border:1px solid #8884;border-radius:6px} .ac-textBlock p{margin:0}</style>
<main></main><script src=/emea/adaptivecards.js></script><script src=/emea/markdown-it.js></script><script src=/emea/chat.js></script>`;
async function chat([conversation, account, id, what], body, response) {
  const from = { id: account, name: account.slice(3), aadObjectId: id };
  if (what === "messages") return answer(response, 200, control.messages({ conversation }));
  if (what === "click") {
    const [one] = (await control.click({ ...JSON.parse(body), from })).answers;
    return answer(response, 200, one);
  }
  response.writeHead(200, { "content-type": "text/html" });
  response.end(page);
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const body = Buffer.concat(parts);
    const [, , ...path] = new URL(request.url, base).pathname.split("/").map(decodeURIComponent);
    try {
      if (path[0] === "openid") {
        state.seen.openid = (state.seen.openid || 0) + 1;
        return answer(response, 200, { issuer: ISSUER, jwks_uri: `${base}keys`, id_token_signing_alg_values_supported: ["RS256"] });
      }
      if (path[0] === "keys") {
        const jwk = (name) => ({ ...keys[name].publicKey.export({ format: "jwk" }), kid: name, use: "sig", x5t: name, endorsements: keys[name].endorsements });
        return answer(response, 200, { keys: published.map(jwk) });
      }
      if (path[0] === "token" && request.method === "POST") return granted(request, body.toString(), response);
      if (path[0] === "v3" && path[1] === "conversations" && path[3] === "activities") {
        const fits = (request.method === "POST" && path.length === 4) || (request.method === "PUT" && path.length === 5);
        if (fits) return connector(request, body, response, path[2], path[4]);
      }
      if (path[0] === "chat") return chat(path.slice(1), body.toString(), response);
      const file = files[path.join("/")];
      if (file) {
        response.writeHead(200, { "content-type": file[0], "cache-control": "max-age=3600" });
        return response.end(fs.readFileSync(require.resolve(file[1])));
      }
      answer(response, 404, { error: { code: "NotFound", message: request.url } });
    } catch (why) {
      answer(response, 599, { error: { code: "Double", message: String(why.stack) } });
    }
  });
});

server.listen(0, "127.0.0.1", () => {
  base = `http://127.0.0.1:${server.address().port}/emea/`;
  console.log(`listening ${server.address().port}`);
});

async function asked(line) {
  try {
    const { what, says } = JSON.parse(line);
    const done = await control[what](says);
    return { done: done === undefined ? null : done };
  } catch (why) {
    return { why: String(why.stack) };
  }
}
// It ends with whoever started it.
const told = readline.createInterface({ input: process.stdin });
told.on("line", async (line) => console.log(JSON.stringify(await asked(line))));
told.on("close", () => process.exit(0));
