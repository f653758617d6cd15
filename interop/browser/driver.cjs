// Drives one browser through puppeteer-core: Chromium, and Firefox over WebDriver
// BiDi. The commands are those of interop/browser_test.go.
"use strict";

const puppeteer = require("puppeteer-core");
const serve = require("../lines.cjs");

// The machine has no network: what Chromium fetches for itself would only fail,
// many times over. Tests run as root, where Chromium has no sandbox.
const chromiumFlags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

let browser;
const pages = [];

const commands = {
  async launch({ browser: name, path, timeout, insecure = false, prefs = {} }) {
    browser = await puppeteer.launch({
      browser: name,
      executablePath: path,
      headless: true,
      timeout,
      acceptInsecureCerts: insecure,
      extraPrefsFirefox: prefs,
      args: name === "chrome" ? chromiumFlags : [],
    });
    return { version: await browser.version() };
  },

  // Each page is a window of its own, so that none is hidden behind another.
  async open({ url, timeout }) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(timeout);
    await page.setViewport({ width: 1000, height: 800 });
    const log = [];
    page.on("console", (message) => log.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (err) => log.push("uncaught: " + (err.stack ?? err)));
    const response = await page.goto(url, { waitUntil: "load" });
    pages.push({ page, log });
    return { page: pages.length - 1, status: response ? response.status() : 0 };
  },

  fill: async ({ page, selector, text }) => {
    await at(page).bringToFront(); // behind other windows nothing is drawn, and nobody types there
    await at(page).locator(selector).fill(text);
  },

  click: async ({ page, selector }) => {
    await at(page).bringToFront();
    await at(page).locator(selector).click();
  },

  choose: async ({ page, selector, value }) => {
    await at(page).select(selector, value);
  },

  press: async ({ page, selector, key }) => {
    await at(page).bringToFront();
    await at(page).focus(selector);
    const [name, held] = key.split("+").reverse();
    if (held) await at(page).keyboard.down(held);
    await at(page).keyboard.press(name);
    if (held) await at(page).keyboard.up(held);
  },

  // Presses Tab from the top of the page and returns the ids of what has the focus.
  tab: async ({ page, times }) => {
    await at(page).bringToFront();
    await at(page).evaluate("document.activeElement.blur(); document.body.tabIndex = -1; document.body.focus()");
    const ids = [];
    for (let i = 0; i < times; i++) {
      await at(page).keyboard.press("Tab");
      ids.push(await at(page).evaluate("document.activeElement.id"));
    }
    return ids;
  },

  // Waits until the expression js is true. Polls, because a page in the
  // background draws no frames.
  wait: async ({ page, js }) => {
    await at(page).waitForFunction(js, { polling: 50 });
  },

  // Evaluates js as the body of an async function and returns what it returns.
  run: ({ page, js }) => at(page).evaluate(`(async () => { ${js} })()`),

  log: ({ page }) => pages[page].log,

  // How large the window is, in CSS pixels, and which colors its user prefers: light
  // or dark. Firefox is told of the colors at launch.
  look: async ({ page, width, height, scheme }) => {
    await at(page).setViewport({ width, height });
    if (scheme) await at(page).emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  },

  screenshot: async ({ page, path }) => {
    await at(page).screenshot({ path });
  },
};

const at = (page) => pages[page].page;

serve(commands, () => browser?.close());
