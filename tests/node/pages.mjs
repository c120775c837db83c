// Every page of the hub in Chromium: by day and by night and on a telephone, before axe, with nothing that the content
// security policy refuses; and what people do there, by clicks, by the keyboard, and without JavaScript.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(plan.shots, { recursive: true });

const browser = await chromium.launch({
  executablePath: plan.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const findings = [];
let looked = 0;

function must(is, what) {
  if (!is) throw new Error(what);
}

// What a click leads to is there when it is there.
async function says(page, where, words) {
  await page.locator(where, { hasText: words }).first().waitFor();
}

async function tab(more = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, locale: "en-GB", timezoneId: "Europe/Berlin", viewport: { width: 1100, height: 800 }, ...more,
  });
  context.setDefaultTimeout(20000);
  const page = await context.newPage();
  page.on("pageerror", (why) => findings.push(`${page.url()}: ${why}`));
  page.on("console", (line) => {
    // A page that says no says so by its status, which Chromium writes down too.
    const isStatus = /the server responded with a status of (400|401|403|404)/.test(line.text());
    const isOurs = page.url().startsWith(plan.hub);
    if (line.type() === "error" && isOurs && !isStatus) findings.push(`${page.url()}: ${line.text()}`);
  });
  if (more.javaScriptEnabled !== false) {
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (refused) =>
        console.error(`refused by the policy: ${refused.violatedDirective} ${refused.blockedURI}`));
    });
  }
  return page;
}

const at = (path) => (path.startsWith("https://") ? path : plan.hub + path);

async function signedIn(person) {
  const page = await tab();
  await page.goto(at(plan.links[person]));
  await page.click("main button");
  await page.waitForURL(at("/web"));
  const state = await page.context().storageState();
  await page.context().close();
  return state;
}

async function look(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document));
  for (const { id, impact, help, nodes } of found.violations) {
    const where = nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ");
    const line = `${name}: axe ${impact}: ${id}: ${help}: ${where}`;
    if (impact === "serious" || impact === "critical") findings.push(line);
    else console.error(line);
  }
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth - window.innerWidth);
  if (wide > 0) findings.push(`${name}: ${wide} pixels wider than the screen`);
  await page.screenshot({ path: `${plan.shots}/${name}.png`, fullPage: true });
  looked += 1;
}

const states = {};
for (const person of Object.keys(plan.links)) states[person] = await signedIn(person);

const looks = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { colorScheme: "light", viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
};

async function allPages() {
  for (const [as, more] of Object.entries(looks)) {
    for (const [person, pages] of Object.entries(plan.pages)) {
      const page = await tab({ storageState: states[person], ...more });
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(at(path));
        await look(page, `${name}-${as}`);
      }
      await page.context().close();
    }
  }
}

// A list renews itself while it is looked at.
async function renews() {
  const page = await tab({ storageState: states.bob });
  await page.goto(at("/web"));
  must(!(await page.textContent("main")).includes("asked without scripts"), "nothing is asked yet");
  return async () => {
    for (let looks = 0; !(await page.textContent("main")).includes("and once more"); looks += 1) {
      must(looks < 300, "the inbox renews itself");
      await page.waitForTimeout(100);
    }
    must((await page.textContent("main")).includes(" here)"), "times are also in the reader's own zone");
  };
}

async function withoutScripts() {
  const plain = { javaScriptEnabled: false };
  const alice = await tab({ storageState: states.alice, ...plain });
  const asks = async (reason) => {
    await alice.goto(at("/web/ask"));
    await alice.selectOption("select[name=label]", "env=prod");
    await alice.check("input[value=sudo]");
    await alice.fill("input[name=length]", "1h");
    await alice.fill("input[name=reason]", reason);
    await alice.click("main button.yes");
    await alice.waitForURL(/\/web\/requests\/R-/);
  };
  await asks("asked without scripts");
  const request = alice.url();
  const waits = await tab({ storageState: states.alice });
  await waits.goto(request);
  const bob = await tab({ storageState: states.bob, ...plain });
  await bob.goto(request);
  await bob.fill("input[name=length]", "30m");
  await bob.fill("input[name=comment]", "half an hour will do");
  await bob.click("button.yes");
  await says(bob, "main", "approved");
  await says(waits, "dl", "approved");
  await alice.goto(request);
  await alice.click("dd a[href^='/web/grants/']");
  await alice.fill("input[name=length]", "10m");
  await alice.fill("input[name=reason]", "not done yet");
  await alice.click("text=Ask for more time");
  await alice.waitForURL(/\/web\/requests\/R-/);
  await alice.click("text=Take it back");
  await says(alice, "main", "cancelled");
  await alice.goto(request);
  await alice.click("dd a[href^='/web/grants/']");
  await alice.click("text=Give it back");
  await says(alice, "main", "released");
  await asks("and once more");
  await alice.context().close();
  await bob.context().close();
}

const focused = (page) => page.evaluate(() => {
  const here = document.activeElement;
  const { left, width } = here.getBoundingClientRect();
  const words = here.getAttribute("href") ?? (here.matches("input, select") ? here.name : here.textContent.trim());
  return { words, outline: getComputedStyle(here).outlineStyle, seen: left >= 0 && width > 0 };
});

// From where the focus is by the tabulator alone, with each stop to be seen.
async function tabTo(page, words) {
  for (let stops = 0; stops < 60; stops += 1) {
    await page.keyboard.press("Tab");
    const here = await focused(page);
    must(here.seen && here.outline !== "none", `a stop that nobody sees: ${JSON.stringify(here)}`);
    if (here.words === words) return;
  }
  throw new Error(`no way to ${words} by the keyboard`);
}

async function byKeyboard() {
  const page = await tab({ storageState: states.alice });
  await page.goto(at("/web"));
  await page.keyboard.press("Tab");
  const skip = await focused(page);
  must(skip.words === "#main" && skip.seen && skip.outline !== "none", `the first stop: ${JSON.stringify(skip)}`);
  await page.keyboard.press("Enter");
  await page.waitForURL(/#main$/);
  await page.goto(at("/web/policy"));
  await page.focus("input[name=hosts]");
  await page.keyboard.type("db-7");
  await page.keyboard.press("Enter");
  await page.waitForURL(/hosts=db-7/);
  await says(page, ".answer", "production");
  await look(page, "explain");

  await page.goto(at("/web/ask"));
  await tabTo(page, "hosts");
  await page.keyboard.type("db-8");
  await tabTo(page, "reason");
  await page.keyboard.type("asked by the keyboard");
  await tabTo(page, "Ask");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/web\/requests\/R-/);
  const request = new URL(page.url()).pathname;
  const bob = await tab({ storageState: states.bob });
  await bob.goto(at("/web"));
  await tabTo(bob, request);
  await bob.keyboard.press("Enter");
  await bob.waitForURL(at(request));
  await tabTo(bob, "length");
  await bob.keyboard.type("20x");
  await tabTo(bob, "comment");
  await bob.keyboard.type("not for longer");
  // Whoever is at the end of a sentence has not said yes.
  await bob.keyboard.press("Enter");
  await bob.waitForTimeout(500);
  must(await bob.isVisible("text=Your review"), "a comment is no review");
  await tabTo(bob, "Approve");
  await bob.keyboard.press("Space");
  await says(bob, "[role=alert]", "length");
  must((await bob.inputValue("input[name=comment]")) === "not for longer", "what was written is there again");
  await look(bob, "again");
  await tabTo(bob, "length");
  await bob.keyboard.type("20m");
  await tabTo(bob, "Approve");
  await bob.keyboard.press("Space");
  await says(bob, "main", "approved");
  await bob.context().close();
  await page.context().close();
}

async function elsewhere() {
  const bob = await tab({ storageState: states.bob });
  await bob.goto(at("/web/tokens"));
  await bob.click("text=Sign in with");
  await bob.waitForSelector("text=Is this your account?");
  await look(bob, "bind");
  await bob.click("text=Bind it to bob");
  await bob.waitForURL(at("/web/tokens"));
  const fresh = await tab();
  await fresh.goto(at("/web/grants"));
  await look(fresh, "sign-in");
  await fresh.click("text=Sign in with");
  await fresh.waitForURL(at("/web/grants"));
  await says(fresh, "header", "bob");
  await bob.context().close();
  await fresh.context().close();
}

async function commands() {
  const page = await tab({ storageState: states.alice });
  await page.goto(plan.command);
  await look(page, "login");
  await page.click("text=Let it in");
  await page.waitForURL(/^http:\/\/127\.0\.0\.1:/);
  await says(page, "body", "You can close this page");
  await page.goto(at("/web/device"));
  await page.fill("input[name=code]", plan.word);
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Let it in");
  await look(page, "device");
  await page.click("text=Let it in");
  await page.waitForSelector("text=is let in");
  await page.goto(at("/web/tokens"));
  await page.fill("input[name=name]", "a program");
  await page.click("text=Make it");
  must((await page.textContent(".secret")).startsWith("jit_"), "a token is made");
  await look(page, "token");
  await page.context().close();
}

async function leaves() {
  const page = await tab({ storageState: states.alice });
  await page.goto(at("/web"));
  await page.click("text=Sign out");
  await page.waitForSelector("text=jit web");
  await page.goto(at("/web/grants"));
  await says(page, "main", "Sign in with");
  await page.context().close();
}

let broke = null;
try {
  const renewed = await renews();
  await withoutScripts();
  await Promise.all([allPages(), (async () => { await byKeyboard(); await elsewhere(); await commands(); })(), renewed()]);
  await leaves();
} catch (why) {
  broke = why;
}
await browser.close();
for (const line of new Set(findings)) console.log(line);
if (broke) console.log(String(broke.stack));
console.log(`${looked} looks, ${findings.length} findings`);
process.exit(broke || findings.length ? 1 : 0);
