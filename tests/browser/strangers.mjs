// Shops on another origin than the gateway's, as real ones are: who may frame its pages, and how the customer comes back.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { CARDS, NARROW, arrive } from "./customer.mjs";

export const strangers = { framing, framedChallenge };
/** What changes the demo merchant, and so cannot be done beside anything else. */
export const alone = { returnByGet };

const HEAD = `<!doctype html><html lang=en><meta name=viewport content="width=device-width"><link rel=icon href="data:,"><title>shop</title>`;
/** What the browser says when a frame is refused. */
const FRAME_REFUSED = /frame-ancestors|Refused to frame|X-Frame-Options|Framing/;

/**
 * A shop with the demo merchant's credentials. `/form` posts a signed form to the gateway, in a frame when it is asked for;
 * `/frame` shows an address in a frame; `/back` is where the customer comes back to.
 */
async function openShop(world) {
  const merchant = {};
  for (const line of (await world.gatewayRun("merchant", "show", "demo")).split("\n")) {
    const [name, ...rest] = line.split(/\s+/);
    merchant[name] ??= rest.join(" ");
  }
  const backs = [];
  const waiting = { pages: new Map() };
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://shop");
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
      response.setHeader("content-type", "text/html; charset=utf-8");
      if (url.pathname === "/back") {
        const text = request.method === "POST" ? Buffer.concat(chunks).toString() : url.search;
        backs.push(Object.fromEntries(new URLSearchParams(text)));
        response.end(`${HEAD}<p id=back>back</p>`);
      } else if (waiting.pages.has(url.pathname)) {
        response.end(waiting.pages.get(url.pathname));
      } else {
        response.statusCode = 404;
        response.end();
      }
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  // Another name than the gateway's: another site, as a shop's own domain is.
  const origin = `http://localhost:${server.address().port}`;
  const sign = (params, phrase) => {
    const text = Object.keys(params).sort().map((name) => `${name}=${params[name]}`).join("");
    return createHash("sha256").update(phrase + text + phrase).digest("hex");
  };
  const signed = (params) => {
    const all = {
      ...params,
      access_code: merchant.access_code,
      merchant_identifier: merchant.merchant_identifier,
      language: "en",
      return_url: `${origin}/back`,
    };
    return { ...all, signature: sign(all, merchant.sha_request_phrase) };
  };
  return {
    origin,
    backs,
    /** Whether the gateway signed what came back. */
    isSigned: ({ signature, ...fields }) => signature === sign(fields, merchant.sha_response_phrase),
    /** An order, or what a parameter set says besides. */
    order: (reference, more = {}) => signed({
      command: "PURCHASE", merchant_reference: reference, amount: "9500", currency: "AED",
      customer_email: "jo@example.org", ...more,
    }),
    token: (reference) => signed({ service_command: "TOKENIZATION", merchant_reference: reference }),
    /** A call of the shop's server. */
    call: async (params) => (await fetch(`${world.shop}/FortAPI/paymentApi`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(params),
    })).json(),
    /** A page of the shop with a form to the gateway, which goes into a frame when `target` names one. */
    formPage: (path, params, target) => {
      const inputs = Object.entries(params).map(([name, value]) => `<input type=hidden name="${name}" value="${value}">`);
      const frame = target ? `<iframe name="${target}" title="pay" style="width:100%;height:660px;border:0"></iframe>` : "";
      waiting.pages.set(path, `${HEAD}
        <form method=post action="${world.shop}/FortAPI/paymentPage" ${target ? `target=${target}` : ""}>${inputs.join("")}
        <button id=go>Pay</button></form>${frame}`);
      return origin + path;
    },
    /** A page of the shop that shows an address in a frame. */
    framePage: (path, url) => {
      waiting.pages.set(path, `${HEAD}
        <iframe src="${url}" title="pay" style="width:100%;height:760px;border:0"></iframe>`);
      return origin + path;
    },
    close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }),
  };
}

/** Whether the gateway's page came into the frame: a refused frame shows an error of the browser's. */
async function isFramed(customer, world) {
  await customer.page.waitForFunction(() => document.querySelector("iframe") !== null);
  for (let turn = 0; turn < 200; turn += 1) {
    const frame = customer.page.frames().find((one) => one !== customer.page.mainFrame());
    const url = frame?.url() ?? "";
    if (url.startsWith("chrome-error:")) return false;
    if (url.startsWith(`${world.shop}/checkout/`) && await frame.locator("#card_number").count() === 1) return true;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  throw new Error("nothing came into the frame");
}

async function framing(world, name) {
  const [shop, other] = await Promise.all([openShop(world), openShop(world)]);
  const customer = await arrive(world, name, { size: NARROW, expected: FRAME_REFUSED });
  await customer.page.goto(shop.formPage("/redirection", shop.order("F-1"), "pay"));
  await customer.page.locator("#go").click();
  customer.check(!(await isFramed(customer, world)), "a redirection is framed by nobody");

  await customer.page.goto(shop.formPage("/token", shop.token("F-2"), "pay"));
  await customer.page.locator("#go").click();
  customer.check(await isFramed(customer, world), "a merchant page is framed by the shop that it goes back to");
  await customer.look("bare-form", customer.page.frames().at(-1));
  const address = customer.page.frames().at(-1).url();
  await customer.page.goto(other.framePage("/stolen", address));
  customer.check(!(await isFramed(customer, world)), "and by no other shop");

  await customer.page.goto(shop.formPage("/token", shop.token("F-3"), "pay"));
  await customer.page.locator("#go").click();
  await isFramed(customer, world);
  await customer.pay(CARDS.plain, customer.page.frames().at(-1));
  await customer.frameWith("#back", "the answer comes into the frame");
  const back = shop.backs.at(-1);
  customer.check(back.response_code === "18000" && shop.isSigned(back), "the shop is told", back.response_code);
  await Promise.all([shop.close(), other.close()]);
}

async function framedChallenge(world, name) {
  const shop = await openShop(world);
  const customer = await arrive(world, name, { size: NARROW });
  const answer = await shop.call(shop.order("G-1", {
    card_number: CARDS.challenged, expiry_date: "2912", card_security_code: "123", customer_ip: "127.0.0.1",
  }));
  customer.check(answer.response_code === "20064", "3-D Secure is wanted", answer.response_message);
  await customer.page.goto(shop.framePage("/pay", answer["3ds_url"]));
  const issuer = await customer.issuer();
  await customer.look("challenge-itself", issuer);
  await customer.confirm(issuer);
  await customer.frameWith("#back", "the customer comes back in the frame");
  const back = shop.backs.at(-1);
  customer.check(back.response_code === "14000" && shop.isSigned(back), "the shop is told", back.response_code);
  await shop.close();
}

/** The way back by GET leads out of forms of ours, and Chromium holds a form's redirects to its policy. */
async function returnByGet(world, name) {
  const shop = await openShop(world);
  await world.gatewayRun("merchant", "set", "demo", "--return-method", "get");
  try {
    const customer = await arrive(world, name);
    const back = async (reference, code) => {
      await customer.page.locator("#back").waitFor();
      const fields = shop.backs.at(-1);
      const isIt = fields.merchant_reference === reference && fields.response_code === code;
      customer.check(isIt && shop.isSigned(fields), `${reference}: the shop is told ${code}`, JSON.stringify(fields));
    };
    const go = async (reference) => {
      await customer.page.goto(shop.formPage("/pay", shop.order(reference)));
      await customer.page.locator("#go").click();
      await customer.page.locator("#card_number").waitFor();
    };
    await go("H-1");
    await customer.pay(CARDS.plain);
    await back("H-1", "14000");
    await go("H-2");
    await customer.page.getByRole("button", { name: "Cancel and go back" }).click();
    await back("H-2", "00072");
    await go("H-3");
    await customer.pay(CARDS.challenged);
    await customer.confirm(await customer.issuer());
    await back("H-3", "14000");
    await go("H-4");
    await customer.pay(CARDS.challenged);
    await customer.issuer();
    await customer.page.getByRole("button", { name: "Cancel and go back" }).click();
    await back("H-4", "00072");
    const answer = await shop.call(shop.order("H-5", {
      card_number: CARDS.known, expiry_date: "2912", card_security_code: "123", customer_ip: "127.0.0.1",
    }));
    await customer.page.goto(answer["3ds_url"]);
    await back("H-5", "14000");
    } finally {
    await world.gatewayRun("merchant", "set", "demo", "--return-method", "post");
    await shop.close();
  }
}
