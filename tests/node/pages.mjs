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

async function tab(more = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, locale: "en-GB", timezoneId: "Europe/Berlin", viewport: { width: 1100, height: 800 }, ...more,
  });
  context.setDefaultTimeout(20000);
  const page = await context.newPage();
  page.on("pageerror", (why) => findings.push(`${page.url()}: ${why}`));
  page.on("console", (line) => {
    // A page that says no says so by its status, which Chromium writes down too.
    const isStatus = /the server responded with a status of (401|403|404)/.test(line.text());
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
  const bob = await tab({ storageState: states.bob, ...plain });
  await bob.goto(request);
  await bob.fill("input[name=length]", "30m");
  await bob.fill("input[name=comment]", "half an hour will do");
  await bob.click("button.yes");
  must((await bob.textContent("main")).includes("approved"), "bob approves");
  await alice.goto(request);
  await alice.click("dd a[href^='/web/grants/']");
  await alice.fill("input[name=length]", "10m");
  await alice.fill("input[name=reason]", "not done yet");
  await alice.click("text=Ask for more time");
  await alice.waitForURL(/\/web\/requests\/R-/);
  await alice.click("text=Take it back");
  must((await alice.textContent("main")).includes("cancelled"), "alice takes it back");
  await alice.goto(request);
  await alice.click("dd a[href^='/web/grants/']");
  await alice.click("text=Give it back");
  must((await alice.textContent("main")).includes("released"), "alice gives it back");
  await asks("and once more");
  await alice.context().close();
  await bob.context().close();
}

async function byKeyboard() {
  const page = await tab({ storageState: states.alice });
  await page.goto(at("/web"));
  await page.keyboard.press("Tab");
  const focused = () => page.evaluate(() => {
    const here = document.activeElement;
    return { words: here.textContent.trim(), outline: getComputedStyle(here).outlineStyle, left: here.getBoundingClientRect().left };
  });
  const skip = await focused();
  must(skip.words === "To the content" && skip.left >= 0 && skip.outline !== "none", `the first stop: ${JSON.stringify(skip)}`);
  await page.keyboard.press("Enter");
  must(page.url().endsWith("#main"), "to the content");
  await page.goto(at("/web/policy"));
  await page.focus("input[name=hosts]");
  await page.keyboard.type("db-7");
  await page.keyboard.press("Enter");
  await page.waitForURL(/hosts=db-7/);
  must((await page.textContent(".answer")).includes("production"), "the policy explains itself");
  await look(page, "explain");
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
  must((await fresh.textContent("header")).includes("bob"), "bob is signed in by the provider");
  await bob.context().close();
  await fresh.context().close();
}

async function commands() {
  const page = await tab({ storageState: states.alice });
  await page.goto(plan.command);
  await look(page, "login");
  await page.click("text=Let it in");
  await page.waitForURL(/^http:\/\/127\.0\.0\.1:/);
  must((await page.textContent("body")).includes("You can close this page"), "the command is let in");
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
  must((await page.textContent("main")).includes("Sign in with"), "alice is out");
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
