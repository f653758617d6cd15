// Takes one JSON command a line on standard input and answers on standard
// output; see interop/process/lines.go. commands maps a command's name to an
// async function of its arguments. The program ends with its input, after
// calling end.
"use strict";

const readline = require("node:readline");

module.exports = function serve(commands, end = () => {}) {
  const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
  const input = readline.createInterface({ input: process.stdin });
  input.on("line", async (line) => {
    const { id, do: name, with: args } = JSON.parse(line);
    try {
      if (!Object.hasOwn(commands, name)) throw new Error("no such command");
      say({ id, result: (await commands[name](args ?? {})) ?? null });
    } catch (err) {
      say({ id, error: String(err?.stack ?? err) });
    }
  });
  const stop = async () => {
    await end();
    process.exit(0);
  };
  input.on("close", stop);
  process.on("SIGTERM", stop);
};
