// A gateway of the real binary, with its sandbox and the demo shop, in a folder of its own.
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The most time for a gateway to listen, in milliseconds. */
const START_MS_MAX = 60_000;
/** The most time for a command of the binary, in milliseconds. */
const COMMAND_MS_MAX = 30_000;
/** How often it is looked whether it listens, in milliseconds. */
const LOOK_MS = 50;

/** Starts `tollgate serve --dev`. It gives where it listens, `run` for further commands on its folder, and `stop`. */
export async function startGateway(binary) {
  const folder = mkdtempSync(join(tmpdir(), "tollgate-browser-"));
  const data = join(folder, "data");
  const listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
  const said = [];
  const process = spawn(binary, ["serve", "--dev", ...listen, "--data", data], { stdio: ["ignore", "pipe", "pipe"] });
  let end = null;
  process.on("error", (error) => { end = error.message; });
  process.on("exit", (code) => { end ??= `it ended with ${code}`; });
  for (const stream of [process.stdout, process.stderr]) stream.on("data", (chunk) => said.push(String(chunk)));

  const note = join(data, "running.json");
  for (const begun = Date.now(); !existsSync(note); await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
    if (end !== null || Date.now() - begun > START_MS_MAX) {
      process.kill();
      throw new Error(`the gateway does not start: ${end ?? "it does not listen"}\n${said.join("")}`);
    }
  }
  const run = (...parameters) => new Promise((resolve, reject) => {
    const options = { timeout: COMMAND_MS_MAX };
    execFile(binary, [...parameters, "--data", data], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`tollgate ${parameters.join(" ")}: ${stderr || error.message}`));
      else resolve(stdout);
    });
  });
  const stop = async () => {
    process.kill("SIGTERM");
    if (end === null) await new Promise((resolve) => process.once("exit", resolve));
    rmSync(folder, { recursive: true, force: true });
  };
  return { url: JSON.parse(readFileSync(note, "utf8")).url, run, stop, said: () => said.join("") };
}
