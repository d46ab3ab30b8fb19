// The payment pages in a real browser: `node tests/browser/run.mjs`, or the step of its own in `./test`.
//
// First the pages come from an example of crates/http with fixed contents. Each is looked at in both languages, wide and
// narrow, light and dark, with scripts and without; then the forms are used as customers use them. After that customers
// pay in the demo shop of the real binary. `run.mjs shop` or `run.mjs pages` does one of the two, FLOWS=a,b in the shop
// only these. Screenshots go to target/browser/.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { flows } from "./flows.mjs";
import { startGateway } from "./gateway.mjs";
import { looks } from "./looks.mjs";
import { shop } from "./shop.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const shots = join(root, "target", "browser");
mkdirSync(shots, { recursive: true });

/** The most time for the whole run, in milliseconds, on a machine that is busy with other things; alone it takes less than
 * two minutes. */
const RUN_MS_MAX = 480_000;

const faults = [];
let checks = 0;
let running = null;

/** Notes whether a rule is kept. */
function check(holds, rule, found = "") {
  checks += 1;
  if (!holds) faults.push(found === "" ? rule : `${rule}: ${found}`);
}

const parts = process.argv.length > 2 ? process.argv.slice(2) : ["pages", "shop"];
const pages = spawn(process.env.PAGES_BINARY ?? join(root, "target/debug/examples/pages"), ["--listen", "127.0.0.1:0"], {
  stdio: ["pipe", "pipe", "inherit"],
});
pages.on("error", (error) => fail(`the pages cannot be served: ${error.message}`));
const [gateway, other] = await new Promise((resolve) => {
  createInterface({ input: pages.stdout }).once("line", (line) => resolve(line.split(" ")));
});

const begun = Date.now();
const timer = setTimeout(() => fail(`the run took more than ${RUN_MS_MAX} ms`), RUN_MS_MAX);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
const axe = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "node_modules/axe-core/axe.min.js"), "utf8");
try {
  const world = { browser, gateway, other, shots, axe, check };
  const after = () => `after ${((Date.now() - begun) / 1000).toFixed(1)} s`;
  if (parts.includes("pages")) {
    await looks(world);
    console.log(`looked at, ${after()}`);
    await flows(world);
    console.log(`used, ${after()}`);
  }
  if (parts.includes("shop")) {
    running = await startGateway(process.env.TOLLGATE_BINARY ?? join(root, "target/debug/tollgate"));
    await shop({ ...world, shop: running.url, gatewayRun: running.run });
    console.log(`paid in the shop, ${after()}`);
  }
} catch (error) {
  faults.push(String(error.stack ?? error));
} finally {
  await browser.close();
  if (faults.length > 0 && running !== null) writeFileSync(join(shots, "gateway.log"), running.said());
  await running?.stop();
  pages.stdin.end();
  clearTimeout(timer);
}
for (const fault of faults) console.error(`FAULT ${fault}`);
console.log(`${checks} checks, ${faults.length} faults, ${((Date.now() - begun) / 1000).toFixed(1)} s`);
process.exit(faults.length === 0 ? 0 : 1);

function fail(reason) {
  for (const fault of faults) console.error(`FAULT ${fault}`);
  console.error(reason);
  running?.stop();
  pages.kill();
  process.exit(1);
}
