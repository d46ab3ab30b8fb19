// A customer with a browser of his own, and what is held against each page that he meets.
import { join } from "node:path";
import { accessible } from "./looks.mjs";

export const WIDE = { width: 1280, height: 900 };
export const NARROW = { width: 360, height: 740 };

/** The most time for one step, in milliseconds; a busy machine is slow. */
const STEP_MS_MAX = 20_000;
const MACHINE = ["127.0.0.1", "localhost"];

/** Begins a customer. `options`: `language`, `size`, `scripts`, `expected` (what the console may say, as a pattern). */
export async function arrive(world, name, options = {}) {
  const { language = "en", size = WIDE, scripts = true, expected = null } = options;
  const context = await world.browser.newContext({
    viewport: size,
    javaScriptEnabled: scripts,
    reducedMotion: "reduce",
    locale: language === "ar" ? "ar-AE" : "en-GB",
    timezoneId: "Asia/Dubai",
  });
  world.contexts.push(context);
  context.setDefaultTimeout(STEP_MS_MAX);
  context.on("request", (request) => {
    const { protocol, hostname, href } = new URL(request.url());
    const isHere = protocol === "data:" || MACHINE.includes(hostname);
    world.check(isHere, `${name}: nothing leaves the machine`, href);
  });
  context.on("console", (message) => {
    const isExpected = expected !== null && expected.test(message.text());
    world.check(message.type() !== "error" || isExpected, `${name}: a quiet console`, `${message.text()} ${message.location().url}`);
  });
  context.on("weberror", (error) => world.check(false, `${name}: no script fails`, error.error().message));
  return new Customer(world, name, { context, page: await context.newPage(), language, scripts, size });
}

/** The card's number, and what else the form asks for. */
export const CARDS = {
  plain: "4005550000000001",
  declined: "4005559000001000",
  challenged: "4557012345678902",
  challengedMastercard: "5313581000123430",
  challengedIn21: "4005559220001004",
  known: "4005559210001006",
  attempted: "4005559210002004",
  notAuthenticated: "4005559210003002",
  slow: "4005559100007709",
};

export class Customer {
  constructor(world, name, its) {
    Object.assign(this, its, { world, name, shots: 0 });
  }

  check(holds, rule, found = "") {
    this.world.check(holds, `${this.name}: ${rule}`, found);
  }

  /** A picture of what he sees; axe looks at the first of each step. `inside`: the frame that is looked at. */
  async look(step, inside = this.page) {
    this.shots += 1;
    const path = join(this.world.shots, `shop-${this.name}-${this.shots}-${step}.png`);
    await this.page.screenshot({ path, fullPage: true });
    const tooWide = "document.documentElement.scrollWidth > innerWidth";
    this.check(!(await inside.evaluate(tooWide)), `${step}: nothing has to be scrolled sideways`);
    // One look of each kind is enough for axe, which is the slowest of all.
    const kind = `${step} ${this.language}`;
    if (!this.scripts || this.world.accessible.has(kind)) return;
    this.world.accessible.add(kind);
    await accessible(this.world, inside, `${this.name}, ${step}`);
  }

  /** Opens the shop, chooses, and presses the button of a route. */
  async order(route, { charge = "PURCHASE", chosen = {}, look = false } = {}) {
    const query = this.language === "ar" ? "?language=ar" : "";
    await this.page.goto(`${this.world.shop}/demo${query}`);
    if (chosen.amount) {
      await this.page.locator("#amount").fill(chosen.amount);
      await this.page.locator("#update").click();
      await this.page.waitForURL(/amount=/);
    }
    for (const field of ["three_ds", "place", "remember", "card", "token"]) {
      if (chosen[field] === undefined) continue;
      const select = this.page.locator(`select#${field}`);
      const option = chosen[field];
      if (option instanceof RegExp) {
        await select.selectOption(await select.locator("option").filter({ hasText: option }).first().getAttribute("value"));
      } else {
        await select.selectOption(option);
      }
    }
    if (look) await this.look("shop");
    await this.page.locator(`button[value="${route} ${charge} ${this.language}"]`).click();
    await this.page.waitForURL("**/demo/try/**");
    this.tryUrl = this.page.url();
  }

  /** Goes to the gateway's page by the button of the try. */
  async goToGateway() {
    await this.page.locator("#card-form button[type=submit]").click();
    await this.page.waitForURL("**/checkout/**");
  }

  /** Types a card into the gateway's form and sends it. */
  async pay(number, inside = this.page) {
    await this.type(number, inside);
    await inside.locator("#card button.go").click();
  }

  async type(number, inside = this.page) {
    await inside.locator("#card_number").fill(number);
    await inside.locator("#expiry_date").fill("12/29");
    await inside.locator("#card_security_code").fill("123");
  }

  /** The frame or page in which the issuer asks for its code. */
  async issuer() {
    return this.frameWith("#sandbox b", "the issuer asks for its code");
  }

  /** The frame of the page in which something is to be seen. */
  async frameWith(selector, what) {
    for (const begun = Date.now(); Date.now() - begun < STEP_MS_MAX;) {
      for (const frame of this.page.frames()) {
        if (await frame.locator(selector).first().isVisible().catch(() => false)) return frame;
      }
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    throw new Error(`${what}: ${selector} is nowhere at ${this.page.url()}`);
  }

  /** Types the code that the sandbox shows, or the one that is given. */
  async confirm(issuer, code) {
    await issuer.locator("#code").fill(code ?? (await issuer.locator("#sandbox b").innerText()));
    await issuer.locator("button.main").click();
  }

  /** Without scripts some steps need a press. */
  async press(text) {
    await this.page.getByRole("button", { name: text }).or(this.page.getByRole("link", { name: text })).first().click();
  }

  /** The merchant was told this, and believes it: the gateway's signature fits, in all that came. */
  async told(code, page = this.page) {
    await page.waitForURL(this.tryUrl);
    await page.locator(".banner .outcome").filter({ hasText: code }).waitFor();
    const passed = page.locator("details.passed");
    const codes = await passed.locator("summary").filter({ hasText: code }).allInnerTexts();
    this.check(codes.length > 0, `the merchant is told ${code}`, codes.join(" | "));
    this.check((await passed.locator("summary .badge.bad").count()) === 0, "every signature fits");
    const signed = passed.locator("summary", { hasText: code }).locator(".badge.good");
    this.check((await signed.count()) > 0, `${code} is signed`);
  }
}
