import assert from "node:assert/strict";
import { test } from "node:test";
import { Ropewalk } from "../dist/index.js";
import { fakeTime, fakeTransport, record, settle } from "./fake.js";

function setUp(t, ...transports) {
  const pass = fakeTime(t);
  if (!transports.length) transports = [fakeTransport()];
  const client = new Ropewalk("http://example.test/", { transports, info: { name: "a" } });
  t.after(() => client.disconnect());
  return { pass, client, transport: transports[0] };
}

test("connects, tells its info, and resumes its session", async (t) => {
  const { client, transport, pass } = setUp(t);
  const events = record(client, "state", "connecting", "connected", "disconnected");
  client.connect();
  client.connect(); // once is enough
  assert.deepEqual({ ...transport.last.connect }, { session: undefined, subscriptions: [], info: { name: "a" } });
  transport.last.welcome();
  transport.last.end(1001, "server is shutting down");
  await pass(500);
  assert.equal(transport.last.connect.session, "n.s1");
  transport.last.welcome({ resumed: true });
  client.disconnect();
  assert.deepEqual(events, [
    ["state", "connecting"],
    ["connecting", { transport: "fake" }],
    ["state", "connected"],
    ["connected", { client: "c1", node: "n", resumed: false, transport: "fake" }],
    ["state", "connecting"],
    ["disconnected", { code: 1001, reason: "server is shutting down", after: 500 }],
    ["connecting", { transport: "fake" }],
    ["state", "connected"],
    ["connected", { client: "c1", node: "n", resumed: true, transport: "fake" }],
    ["state", "disconnected"],
    ["disconnected", { code: 1000, reason: "disconnected", after: undefined }],
  ]);
  client.connect();
  assert.equal(transport.last.connect.session, undefined, "who left has no session");
});

test("waits longer after each failure, up to a bound", async (t) => {
  const { client, transport, pass } = setUp(t);
  client.connect();
  const waits = [];
  client.on("disconnected", ({ after }) => waits.push(after));
  for (let i = 0; i < 8; i++) {
    transport.last.end();
    assert.equal(transport.connections.length, i + 1, "not before its time");
    await pass(waits.at(-1));
  }
  assert.deepEqual(waits, [500, 1500, 3000, 6000, 12000, 22500, 22500, 22500]);
});

test("heeds the advice of the server", async (t) => {
  const { client, transport, pass } = setUp(t);
  const events = record(client, "disconnected");
  client.connect();
  transport.last.welcome();
  await pass(6_000);
  transport.last.push({ disconnect: { code: 1001, reason: "server is shutting down", retry: true, after: 4321 } });
  transport.last.end(1001, "ignored, it is known already");
  await pass(4320);
  assert.equal(transport.connections.length, 1);
  await pass(1);
  assert.equal(transport.connections.length, 2);
  transport.last.welcome();
  transport.last.push({ disconnect: { code: 4100, reason: "bad message", retry: false } });
  await pass(100_000);
  assert.equal(transport.connections.length, 2, "no retry");
  assert.equal(client.state, "disconnected");
  assert.deepEqual(events, [
    ["disconnected", { code: 1001, reason: "server is shutting down", after: 4321 }],
    ["disconnected", { code: 4100, reason: "bad message", after: undefined }],
  ]);
});

test("finds out that a connection is dead", async (t) => {
  const { client, transport, pass } = setUp(t);
  client.connect();
  transport.last.welcome({ ping: 20_000 });
  await pass(19_000);
  transport.last.alive();
  await pass(19_999);
  assert.equal(transport.last.commands.length, 0, "a sign of life counts");
  await pass(1);
  transport.last.answer("ping", {});
  await pass(10_000);
  assert.equal(client.state, "connected");
  await pass(20_000);
  assert.equal(transport.last.commands.length, 1);
  await pass(10_000);
  assert.equal(client.state, "connecting");
  assert.ok(transport.last.closed);
});

test("gives up an attempt that is not answered", async (t) => {
  const { client, transport, pass } = setUp(t);
  client.connect();
  await pass(10_000);
  assert.ok(transport.last.closed);
  await pass(500);
  assert.equal(transport.connections.length, 2);
});

test("falls back to the next transport, and stays with what works", async (t) => {
  const [first, second, third] = [fakeTransport("first"), fakeTransport("second"), fakeTransport("third")];
  const { client, pass } = setUp(t, first, { name: "absent", usable: false }, second, third);
  client.connect();
  first.last.end();
  await pass(0);
  second.last.welcome();
  await pass(6_000);
  second.last.end();
  await pass(500);
  assert.equal(second.connections.length, 2);
  second.last.end(); // it may be the server
  await pass(1500);
  assert.equal(second.connections.length, 3);
  second.last.end();
  await pass(3000);
  assert.equal(third.connections.length, 1);
  assert.equal(first.connections.length, 1);
});

test("a network that comes back is used at once", async (t) => {
  const target = new EventTarget();
  for (const name of ["addEventListener", "removeEventListener"]) {
    globalThis[name] = target[name].bind(target);
    t.after(() => delete globalThis[name]);
  }
  const { client, transport, pass } = setUp(t);
  client.connect();
  transport.last.welcome();
  target.dispatchEvent(new Event("offline"));
  await settle();
  assert.equal(transport.last.commands.length, 1, "the connection is asked for a sign of life");
  await pass(10_000);
  assert.equal(client.state, "connecting");
  target.dispatchEvent(new Event("online"));
  assert.equal(transport.connections.length, 2);
  client.disconnect();
  target.dispatchEvent(new Event("online"));
  assert.equal(transport.connections.length, 2);
});

test("commands wait for a connection, and go together", async (t) => {
  const { client, transport } = setUp(t);
  const first = client.publish("news", 1, { id: "a", excludeSelf: true, tags: { x: "y" } });
  const second = client.history("news", { limit: 3, reverse: true });
  client.connect();
  await settle();
  transport.last.welcome();
  await settle();
  const ids = transport.last.commands.map((c) => c.id);
  assert.ok(ids[0] < ids[1]);
  const body = transport.last.answer("publish", { position: { epoch: "e", offset: 1 }, duplicate: false });
  assert.deepEqual(body, { channel: "news", data: 1, id: "a", tags: { x: "y" }, exclude_self: true });
  assert.deepEqual(transport.last.answer("history", null, { code: "no_history", message: "m", retry: false }), {
    channel: "news",
    limit: 3,
    reverse: true,
  });
  assert.deepEqual(await first, { position: { epoch: "e", offset: 1 }, duplicate: false });
  await assert.rejects(second, { name: "RopewalkError", code: "no_history", message: "m", retry: false });
});

test("a publication whose answer was lost is sent again under its id", async (t) => {
  const { client, transport, pass } = setUp(t);
  client.connect();
  transport.last.welcome();
  const published = client.publish("news", "x");
  const called = client.rpc("add", 1);
  const pinged = client.ping();
  await settle();
  const { id } = transport.last.commands.find((c) => c.publish).publish;
  assert.match(id, /^.{8,64}$/);
  transport.last.end();
  await assert.rejects(called, { code: "disconnected", retry: true });
  await assert.rejects(pinged, { code: "disconnected" });
  await pass(500);
  transport.last.welcome();
  await settle();
  assert.equal(transport.last.answer("publish", { position: { epoch: "e", offset: 1 }, duplicate: true }).id, id);
  assert.equal((await published).duplicate, true);
});

test("waiting for an answer ends", async (t) => {
  const { client, pass } = setUp(t);
  const late = client.publish("news", 1, { timeout: 2_000 });
  const abort = new AbortController();
  const given = client.publish("news", 1, { signal: abort.signal });
  abort.abort();
  await assert.rejects(given, { code: "aborted" });
  await assert.rejects(client.publish("news", 1, { signal: abort.signal }), { code: "aborted" });
  void pass(2_000);
  await assert.rejects(late, { code: "timeout", retry: true });
});

test("a listener that throws stops nobody else", async (t) => {
  const { client, transport } = setUp(t);
  const microtasks = t.mock.method(globalThis, "queueMicrotask", () => {});
  let later = false;
  client.on("connected", () => {
    throw new Error("from a listener");
  });
  client.on("connected", () => (later = true));
  client.connect();
  transport.last.welcome();
  assert.ok(microtasks.mock.calls.some(({ arguments: [task] }) => /throw/.test(task)));
  assert.ok(later);
  assert.equal(client.state, "connected");
});

test("a message that is none ends the connection, an unknown one is passed over", async (t) => {
  const { client, transport } = setUp(t);
  const events = record(client, "disconnected");
  client.connect();
  transport.last.welcome();
  transport.last.push({ news_of_a_later_version: {} });
  assert.equal(client.state, "connected");
  transport.last.raw("{");
  assert.equal(client.state, "connecting");
  assert.equal(events[0][1].code, 4901);
});

test("messages are shown as they pass", async (t) => {
  const { client, transport } = setUp(t);
  const events = record(client, "wire");
  client.connect();
  transport.last.welcome();
  assert.deepEqual(events.map(([, { sent, wire }]) => [sent, Object.keys(JSON.parse(wire))]), [
    [true, ["id", "connect"]],
    [false, ["id", "connect"]],
  ]);
});
