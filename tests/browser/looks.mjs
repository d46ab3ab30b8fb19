// How every page looks, and what it may not do: axe finds nothing, nothing leaves the origin, it is small.
import { join } from "node:path";

/** The most bytes that one page may load, in all. */
const PAGE_BYTES_MAX = 60 * 1024;
const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Pages that stay where they are. */
const STILL = [
  "card", "card-plain", "card-yellow", "card-save", "card-faults", "card-declined", "kept", "kept-no-code", "bare",
  "wait", "refused", "ended", "time-up", "cancelled", "paid", "not-paid", "unknown", "card-kept", "unavailable",
  "link", "link-terms", "link-terms-missing", "link-paid", "link-under-way", "link-expired", "link-closed", "link-used", "link-invoice",
  "link-missing",
];
/** Pages that go on by themselves where scripts run, so they are looked at without. */
const PASSING = ["method", "browser", "challenge", "challenge-page", "notified", "return"];
/** A page with an iframe of the ACS stays, and is looked at with scripts. */
const FRAMED = ["challenge", "challenge-full"];

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 740 };

export async function looks(world) {
  const sights = [];
  for (const [language, scheme, size] of [["en", "light", WIDE], ["ar", "dark", NARROW]]) {
    sights.push({ language, scheme, size, scripts: true, names: [...STILL, ...FRAMED] });
    sights.push({ language, scheme, size, scripts: false, names: [...PASSING, "card", "card-faults"] });
  }
  const others = [
    ["en", "dark", WIDE], ["en", "light", NARROW], ["en", "dark", NARROW],
    ["ar", "light", WIDE], ["ar", "dark", WIDE], ["ar", "light", NARROW],
  ];
  for (const [language, scheme, size] of others) {
    const names = ["card-yellow", "card-save", "card-faults"];
    sights.push({ language, scheme, size, scripts: true, names });
  }
  // Two at a time: one draws while the other is being read.
  const waiting = sights.slice();
  const work = async () => {
    for (let sight = waiting.shift(); sight; sight = waiting.shift()) await see(world, sight);
  };
  await Promise.all([work(), work()]);
}

async function see(world, sight) {
  const context = await world.browser.newContext({
    viewport: sight.size,
    colorScheme: sight.scheme,
    javaScriptEnabled: sight.scripts,
    reducedMotion: "reduce",
    locale: sight.language === "ar" ? "ar-AE" : "en-GB",
  });
  const page = await context.newPage();
  for (const name of sight.names) {
    const path = `/${name}/${sight.language}`;
    const label = `${name}-${sight.language}-${sight.size.width}-${sight.scheme}${sight.scripts ? "" : "-noscript"}`;
    const seen = watch(world, page, label, FRAMED.includes(name));
    await page.goto(world.gateway + path, { waitUntil: "load" });
    if (FRAMED.includes(name) && sight.scripts) {
      await page.frameLocator("#challenge-frame").getByRole("heading").waitFor();
    }
    await page.screenshot({ path: join(world.shots, `${label}.png`), fullPage: true });
    world.check((await seen.bytes()) <= PAGE_BYTES_MAX, `${label}: at most ${PAGE_BYTES_MAX} bytes`, await seen.bytes());
    await shape(world, page, label, sight);
    if (sight.scripts) await accessible(world, page, label);
    seen.done();
  }
  await context.close();
}

/** Counts bytes, and finds requests that leave the origin and whatever the console says. */
export function watch(world, page, label, mayLeave) {
  const sizes = [];
  const onResponse = (response) => {
    const url = response.url();
    if (url.startsWith("data:")) return;
    if (!url.startsWith(world.gateway)) {
      world.check(mayLeave && url.startsWith(world.other), `${label}: nothing leaves the origin`, url);
      return;
    }
    sizes.push(response.request().sizes().then((size) => size.responseHeadersSize + size.responseBodySize, () => 0));
  };
  const onConsole = (message) => {
    // Pages that tell of an end have a status that says so, which Chromium calls a failure.
    const isStatus = /the server responded with a status of (400|404|410|503)/.test(message.text());
    const isPage = message.location().url === page.url();
    world.check(message.type() !== "error" || (isStatus && isPage), `${label}: a quiet console`, message.text());
  };
  const onError = (error) => world.check(false, `${label}: no script fails`, error.message);
  page.on("response", onResponse).on("console", onConsole).on("pageerror", onError);
  return {
    bytes: async () => (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0),
    done: () => page.off("response", onResponse).off("console", onConsole).off("pageerror", onError),
  };
}

async function shape(world, page, label, sight) {
  const found = await page.evaluate(() => {
    const boxes = [...document.querySelectorAll("a, button, input:not([type=hidden])")].filter((it) => it.offsetParent);
    const small = boxes.map((it) => ({ it, box: it.getBoundingClientRect() }))
      .filter(({ box }) => box.width < 24 || box.height < 24).map(({ it }) => it.outerHTML.slice(0, 80));
    const zooming = [...document.querySelectorAll("input[type=text]")]
      .filter((it) => parseFloat(getComputedStyle(it).fontSize) < 16).map((it) => it.id);
    const number = document.getElementById("card_number");
    return {
      small, zooming,
      tooWide: document.documentElement.scrollWidth > innerWidth,
      lang: document.documentElement.lang,
      dir: getComputedStyle(document.body).direction,
      numberDir: number && getComputedStyle(number).direction,
    };
  });
  world.check(found.small.length === 0, `${label}: targets have 24 pixels (WCAG 2.2, 2.5.8)`, found.small.join(" "));
  world.check(found.zooming.length === 0, `${label}: no zoom jump`, found.zooming.join(" "));
  world.check(!found.tooWide, `${label}: nothing has to be scrolled sideways (WCAG 2.2, 1.4.10)`);
  world.check(found.lang === sight.language, `${label}: the language is told`, found.lang);
  world.check(found.dir === (sight.language === "ar" ? "rtl" : "ltr"), `${label}: the direction of writing`, found.dir);
  world.check(!found.numberDir || found.numberDir === "ltr", `${label}: card numbers run from left to right`);
}

export async function accessible(world, page, label) {
  await page.evaluate(world.axe);
  const violations = await page.evaluate(async (tags) => {
    // "Please wait" is the state of something that goes on, and looking again is what it is for (WCAG 2.2, 2.2.1:
    // essential); it needs no script that way.
    const rules = { "meta-refresh": { enabled: false } };
    const result = await window.axe.run(document, { runOnly: { type: "tag", values: tags }, rules, iframes: false });
    return result.violations.map((one) => `${one.id} (${one.nodes.map((node) => node.html.slice(0, 90)).join(" | ")})`);
  }, WCAG);
  world.check(violations.length === 0, `${label}: axe finds nothing`, violations.join("; "));
}
