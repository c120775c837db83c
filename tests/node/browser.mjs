// A browser that somebody sits at: each line that it is told is one thing that they do, and each line that it says is what came
// of that. A reader that is shown nothing within `patience` is told so.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const patience = 20000;
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
let context, page;

async function opened({ open, dark, width }) {
  const looks = { colorScheme: dark ? "dark" : "light", viewport: { width, height: 900 } };
  if (!context) {
    // One person: who signed in on one page is so on the next.
    context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB", timezoneId: "Europe/Berlin", ...looks });
    context.setDefaultTimeout(patience);
    page = await context.newPage();
  }
  await page.setViewportSize(looks.viewport);
  await page.emulateMedia({ colorScheme: looks.colorScheme });
  await page.goto(open);
}

async function filled({ fill, value }) {
  const field = page.getByLabel(fill, { exact: true });
  const isChosen = await field.evaluate((one) => one.tagName === "SELECT");
  await (isChosen ? field.selectOption(value) : field.fill(value));
}

async function worded(words) {
  const shown = () => page.evaluate(() => document.body.innerText.replace(/\s+/g, " "));
  for (const until = Date.now() + patience; ; ) {
    const text = await shown();
    if (text.includes(words)) return text;
    if (Date.now() > until) throw new Error(`not on the page: ${text}`);
    await page.waitForTimeout(50);
  }
}

async function done(what) {
  if (what.open) return opened(what);
  if (what.fill) return filled(what);
  if (what.click) return page.getByRole("button", { name: what.click, exact: true }).or(page.getByRole("link", { name: what.click, exact: true })).first().click();
  if (what.words !== undefined) return worded(what.words);
  if (what.find) return page.evaluate(what.find);
  if (what.picture) return void (await page.screenshot({ path: what.picture, fullPage: true }));
  throw new Error("nothing that a reader does");
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { found: (await done(JSON.parse(line))) ?? null };
  } catch (why) {
    answer = { why: `${page?.url()}: ${why.message}` };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
