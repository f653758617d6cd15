// Needs a server: ROPEWALK=http://127.0.0.1:8000 node --test live/
import { test } from "node:test";
import { WebSocket } from "ws";
import { Ropewalk } from "../dist/index.js";
import { scenario, ways } from "./scenario.js";

const url = process.env.ROPEWALK;
if (!url) throw new Error("ROPEWALK has no server's address");

for (const [transport, encoding] of ways) {
  test(`${transport} in ${encoding}`, { timeout: 60_000 }, () => scenario({ Ropewalk, url, transport, encoding, WebSocket }));
}
