// A customer pays in the demo shop of the real binary, by every route, with and without 3-D Secure.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { CARDS, NARROW, WIDE, arrive } from "./customer.mjs";
import { alone, strangers } from "./strangers.mjs";

const FLOWS = {
  redirection, redirectionArabic, secondCard, challengeCancelled, threeWrongCodes, noScripts, noScriptsOldVersion,
  standardInFrame, standardArabic, custom, trustedInFrame, trustedFrictionless, savedToken, doubleClick, reloadAndTabs,
  ...strangers,
};

/** One after the other, at the end: they change the merchant, or the clock of all. */
const ALONE = { ...alone, branded, timeOut };

export async function shop(world) {
  const only = process.env.FLOWS?.split(",");
  const chosen = (flows) => Object.entries(flows).filter(([name]) => only === undefined || only.includes(name));
  const waiting = chosen(FLOWS);
  world.accessible = new Set();
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await run(world, next);
  };
  await Promise.all([work(), work()]);
  for (const flow of chosen(ALONE)) await run(world, flow);
}

async function run(world, [name, flow]) {
  const begun = Date.now();
  const contexts = [];
  try {
    await flow({ ...world, contexts }, name);
  } catch (error) {
    world.check(false, name, error.stack.split("\n").slice(0, 12).join("\n  "));
    for (const page of contexts.flatMap((context) => context.pages())) {
      await page.screenshot({ path: join(world.shots, `shop-${name}-fault.png`) }).catch(() => {});
    }
  } finally {
    await Promise.all(contexts.map((context) => context.close()));
  }
  if (process.env.TIMES) console.log(`${name} ${Date.now() - begun} ms`);
}

async function redirection(world, name) {
  const customer = await arrive(world, name);
  await customer.order("redirection", { look: true });
  await customer.look("order");
  await customer.goToGateway();
  await customer.look("card");
  await customer.pay(CARDS.plain);
  await customer.told("14000");
  await customer.look("paid");
  // Back to a page that is over: it leads to the shop again, and nothing is paid twice.
  await customer.page.goBack();
  await customer.told("14000");
  customer.check((await payments(customer)) === 1, "the back button pays nothing");
}

async function redirectionArabic(world, name) {
  const customer = await arrive(world, name, { language: "ar", size: NARROW });
  await customer.order("redirection", { charge: "AUTHORIZATION", look: true });
  await customer.goToGateway();
  await customer.look("card");
  await customer.pay(CARDS.challenged);
  let issuer = await customer.issuer();
  await customer.look("challenge");
  await customer.look("challenge-itself", issuer);
  await customer.confirm(issuer, "12");
  await issuer.locator("#notice").waitFor();
  await customer.look("no-code-itself", issuer);
  await customer.confirm(issuer);
  await customer.told("02000");
  await customer.look("paid");
}

async function secondCard(world, name) {
  const customer = await arrive(world, name, { size: NARROW });
  await customer.order("redirection");
  await customer.goToGateway();
  await customer.pay(CARDS.declined);
  await customer.page.locator("#notice").waitFor();
  await customer.look("declined");
  await customer.pay(CARDS.known);
  await customer.told("14000");
  const summaries = await customer.page.locator("details.passed summary").allInnerTexts();
  customer.check(summaries.some((text) => text.includes("13666")), "the merchant hears of the declined card", summaries.join(" | "));
}

async function challengeCancelled(world, name) {
  const customer = await arrive(world, name, { size: NARROW });
  await customer.order("redirection");
  await customer.goToGateway();
  await customer.pay(CARDS.challenged);
  const issuer = await customer.issuer();
  await customer.look("challenge");
  await issuer.getByRole("button", { name: "Cancel" }).click();
  await customer.page.locator("#notice").waitFor();
  await customer.look("not-authenticated");
  await customer.page.getByRole("button", { name: "Cancel and go back" }).click();
  await customer.told("00072");
}

async function threeWrongCodes(world, name) {
  const customer = await arrive(world, name);
  await customer.order("redirection");
  await customer.goToGateway();
  // The 3DS method is over in a moment: it waits until it was looked at.
  await customer.page.route("**/acs/method", async (route) => {
    await customer.look("method");
    await route.continue();
  }, { times: 1 });
  await customer.pay(CARDS.challenged);
  const issuer = await customer.issuer();
  await customer.look("challenge-itself", issuer);
  const right = await issuer.locator("#sandbox b").innerText();
  const wrong = right === "000000" ? "111111" : "000000";
  for (const left of [/two more/, /one more/]) {
    await customer.confirm(issuer, wrong);
    await issuer.locator("#notice").filter({ hasText: left }).waitFor();
  }
  await customer.confirm(issuer, wrong);
  await customer.page.locator("#notice").waitFor();
  await customer.pay(CARDS.challengedIn21);
  await customer.confirm(await customer.issuer());
  await customer.told("14000");
}

async function noScripts(world, name) {
  const customer = await arrive(world, name, { size: NARROW, scripts: false });
  await customer.order("redirection");
  await customer.goToGateway();
  await customer.look("card");
  await customer.pay(CARDS.challenged);
  await customer.look("after-card");
  await customer.press(/^Continue$/);
  await customer.look("challenge");
  await customer.press(/Go to my bank/);
  await customer.look("issuer");
  await customer.confirm(await customer.issuer());
  await customer.look("issuer-left");
  await customer.press(/^Continue$/);
  await customer.look("back-at-gateway");
  await customer.press(/^Continue$/);
  await customer.look("return");
  await customer.press(/^Continue$/);
  await customer.told("14000");
}

async function noScriptsOldVersion(world, name) {
  const customer = await arrive(world, name, { scripts: false });
  await customer.order("redirection");
  await customer.goToGateway();
  await customer.pay(CARDS.challengedIn21);
  // Version 2.1.0 has no browsers without scripts.
  await customer.page.locator("#notice").waitFor();
  await customer.pay(CARDS.plain);
  await customer.press(/^Continue$/);
  await customer.told("14000");
}

async function standardInFrame(world, name) {
  const customer = await arrive(world, name);
  await customer.order("standard", { chosen: { place: "frame" } });
  const form = await customer.frameWith("#card_number", "the card form stands in its frame");
  await customer.look("form");
  await customer.look("bare-form", form);
  customer.check(form !== customer.page.mainFrame(), "the form stays inside the frame");
  await customer.pay(CARDS.challengedIn21, form);
  const issuer = await customer.issuer();
  customer.check(customer.page.url() === customer.tryUrl, "3-D Secure stays inside the frame", customer.page.url());
  await customer.look("challenge");
  await customer.confirm(issuer);
  await customer.told("14000");
  await customer.look("paid");
}

async function standardArabic(world, name) {
  const customer = await arrive(world, name, { language: "ar", size: NARROW });
  await customer.order("standard", { chosen: { place: "window" } });
  const form = await customer.frameWith("#card_number", "the card form stands in its frame");
  await form.locator("#card button.go").click();
  await form.locator("#errors").waitFor();
  await customer.look("faults");
  await customer.look("bare-faults", form);
  await customer.pay(CARDS.challenged, form);
  await customer.page.locator("a.three-ds").click();
  const issuer = await customer.issuer();
  customer.check(!customer.page.url().includes("/demo/"), "3-D Secure has the whole window", customer.page.url());
  await customer.look("challenge");
  await customer.confirm(issuer);
  await customer.told("14000");
}

async function custom(world, name) {
  const customer = await arrive(world, name);
  await customer.order("custom", { charge: "AUTHORIZATION" });
  await customer.look("form");
  await customer.page.locator(`button[data-number="${CARDS.challengedMastercard}"]`).click();
  await customer.page.locator("#card-form button[type=submit]").click();
  await customer.page.locator("a.three-ds").click();
  await customer.confirm(await customer.issuer());
  await customer.told("02000");
}

async function trustedInFrame(world, name) {
  const customer = await arrive(world, name, { size: NARROW });
  await customer.order("trusted", { chosen: { card: /455701/, place: "frame" } });
  const issuer = await customer.issuer();
  await customer.look("challenge");
  await customer.look("challenge-itself", issuer);
  await customer.confirm(issuer);
  await customer.told("14000");
}

async function trustedFrictionless(world, name) {
  const customer = await arrive(world, name);
  for (const [card, code] of [[/400555\*+0001.*approved/, "14000"], [/400555\*+1000 – declined/, "13666"]]) {
    await customer.order("trusted", { chosen: { card } });
    await customer.told(code);
  }
  for (const [card, place, code] of [
    [/400555\*+2004/, "window", "14000"], [/400555\*+3002/, "frame", "13030"],
  ]) {
    await customer.order("trusted", { chosen: { card, place } });
    if (place === "window") await customer.page.locator("a.three-ds").click();
    await customer.told(code);
  }
  await customer.look("not-authenticated");
}

async function savedToken(world, name) {
  const customer = await arrive(world, name);
  await customer.order("redirection", { chosen: { remember: "yes" } });
  await customer.goToGateway();
  await customer.type(CARDS.challenged);
  await customer.page.locator("#remember_me").check();
  await customer.look("card");
  await customer.page.locator("#card button.go").click();
  await customer.confirm(await customer.issuer());
  await customer.told("14000");
  await customer.order("token", { chosen: { place: "frame", token: /455701/ } });
  await customer.confirm(await customer.issuer());
  await customer.told("14000");
}

async function doubleClick(world, name) {
  const customer = await arrive(world, name);
  await customer.order("redirection", { chosen: { amount: "901.01" } });
  await customer.goToGateway();
  await customer.type(CARDS.slow);
  let posts = 0;
  customer.page.on("request", (request) => { posts += request.method() === "POST" && request.url().includes("/card") ? 1 : 0; });
  await customer.page.locator("#card button.go").dblclick({ noWaitAfter: true });
  await customer.told("14000");
  customer.check(posts === 1, "a double click posts once", posts);
  customer.check((await payments(customer)) === 1, "and pays once");
}

async function reloadAndTabs(world, name) {
  const customer = await arrive(world, name);
  await customer.order("redirection", { chosen: { amount: "901.01" } });
  await customer.goToGateway();
  const second = await customer.context.newPage();
  await second.goto(customer.page.url());
  await customer.type(CARDS.slow);
  await customer.page.locator("#card button.go").click({ noWaitAfter: true });
  const third = await customer.context.newPage();
  do await third.goto(second.url()); while (await third.locator("#card").count() > 0);
  await third.locator(".busy").waitFor();
  await third.screenshot({ path: join(world.shots, `shop-${name}-waiting.png`) });
  await third.reload();
  await third.locator(".busy").waitFor();
  // The second tab has the form still, and sends another card.
  await customer.pay(CARDS.plain, second);
  await customer.told("14000");
  await customer.told("14000", second);
  await customer.told("14000", third);
  customer.check((await payments(customer)) === 1, "tabs and reloads pay once");
}

/** The merchant's own name, colour and logo, as `merchant set` takes them, on the pages of the payment. */
async function branded(world, name) {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-logo-"));
  const colour = [0x7a, 0x1f, 0x5c];
  const [width, height] = [320, 96];
  const logo = join(folder, "logo.png");
  writeFileSync(logo, picture(width, height, colour));
  const set = (shop, arabic, hex, file) => world.gatewayRun("merchant", "set", "demo", "--page-shop-name", shop,
    "--page-shop-name-ar", arabic, "--page-colour", hex, "--page-logo", file);
  await set("Dune Books", "كتب الكثبان", `#${Buffer.from(colour).toString("hex")}`, logo);
  try {
    for (const [language, shop] of [["en", "Dune Books"], ["ar", "كتب الكثبان"]]) {
      for (const size of [WIDE, NARROW]) {
        const customer = await arrive(world, `${name}-${language}-${size.width}`, { language, size });
        await customer.order("redirection");
        await customer.goToGateway();
        const seen = await customer.page.locator("header img").evaluate((image) => ({
          isLoaded: image.complete && image.naturalWidth > 0,
          ratio: image.width / image.height,
          alt: image.alt,
        }));
        customer.check(seen.isLoaded, "the logo is shown");
        customer.check(Math.abs(seen.ratio - width / height) < 0.1, "and keeps its shape", seen.ratio);
        const header = await customer.page.locator("header").innerText();
        customer.check(header.includes(shop) || seen.alt === shop, "the shop has its name in this language", `${header} ${seen.alt}`);
        customer.check((await customer.page.title()).includes(shop), "in the title too", await customer.page.title());
        const button = customer.page.locator("#card button.go");
        const background = await button.evaluate((one) => getComputedStyle(one).backgroundColor);
        customer.check(background === `rgb(${colour.join(", ")})`, "the button has the shop's colour", background);
        await customer.look("branded");
        await customer.pay(CARDS.challenged);
        const issuer = await customer.issuer();
        await customer.look("branded-challenge");
        await customer.confirm(issuer);
        await customer.told("14000");
      }
    }
  } finally {
    await set("none", "none", "none", "none");
    rmSync(folder, { recursive: true });
  }
}

/** The check sum of a PNG's chunk. */
function crc32(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

/** A PNG of one colour, with a white bar in it. */
function picture(width, height, colour) {
  const chunk = (kind, data) => {
    const named = Buffer.concat([Buffer.from(kind), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const isBar = (x, y) => y > height * 0.4 && y < height * 0.6 && x > width * 0.1 && x < width * 0.9;
  const rows = Array.from({ length: height }, (_, y) =>
    [0, ...Array.from({ length: width }, (_, x) => (isBar(x, y) ? [255, 255, 255] : colour)).flat()]);
  const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
  const pixels = deflateSync(Buffer.from(rows.flat()));
  return Buffer.concat([Buffer.from(signature), chunk("IHDR", head), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))]);
}

async function timeOut(world, name) {
  const customer = await arrive(world, name, { size: NARROW });
  await customer.order("redirection");
  await customer.goToGateway();
  const waiting = await arrive(world, `${name}-challenge`);
  await waiting.order("redirection");
  await waiting.goToGateway();
  await waiting.pay(CARDS.challenged);
  const issuer = await waiting.issuer();
  await world.gatewayRun("clock", "advance", "16m");
  await customer.pay(CARDS.plain);
  await customer.told("13778");
  await customer.look("too-late");
  await waiting.confirm(issuer);
  await waiting.told("13030");
}

/** How many payments the gateway made for the order, by its own story. */
async function payments(customer) {
  const reference = new URL(customer.tryUrl).pathname.split("/").pop();
  const story = await customer.world.gatewayRun("explain", reference);
  return (story.match(/(PURCHASE|AUTHORIZATION) of/g) ?? []).length - 1;
}
