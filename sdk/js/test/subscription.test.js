import assert from "node:assert/strict";
import { test } from "node:test";
import { Ropewalk } from "../dist/index.js";
import { fakeTime, fakeTransport, record, settle } from "./fake.js";

const at = (offset, epoch = "e") => ({ epoch, offset });

/** A connected client with a subscription to news that began at offset 1. */
async function setUp(t, options) {
  const pass = fakeTime(t);
  const transport = fakeTransport();
  const client = new Ropewalk("http://example.test", { transports: [transport] });
  t.after(() => client.disconnect());
  const sub = client.subscribe("news", options);
  const events = record(sub, "state", "live", "publication", "skip", "recovered", "gap", "unsubscribed");
  client.connect();
  transport.last.welcome({ subscriptions: [{ subscribe: { position: at(1) } }] });
  await settle();
  const shown = () => events.filter(([name]) => name === "publication").map(([, p]) => (p.recovered ? `${p.data}!` : p.data));
  return { pass, transport, client, sub, events, shown };
}

test("subscribes in one round trip, and delivers", async (t) => {
  const { transport, sub, events } = await setUp(t, { joins: true });
  assert.deepEqual(JSON.parse(JSON.stringify(transport.last.connect.subscriptions)), [{ channel: "news", joins: true }]);
  transport.last.publish(1, 4);
  assert.deepEqual(sub.position, at(4));
  assert.deepEqual(events.map(([name]) => name), ["state", "live", "publication"]);
  transport.last.push({ publication: { channel: "other", ...at(1), prev: 0, data: 1 } }); // nobody's
});

test("goes on where it was, and says what was missed", async (t) => {
  const { transport, events, pass, shown } = await setUp(t);
  transport.last.publish(1, 2);
  transport.last.end();
  await pass(500);
  assert.deepEqual(transport.last.connect.subscriptions[0].from, at(2));
  transport.last.publish(2, 3); // before its answer: not for us
  transport.last.welcome({ resumed: true, subscriptions: [{ subscribe: { position: at(2), recovered: true } }] });
  await settle();
  transport.last.publish(2, 3);
  transport.last.publish(3, 5);
  transport.last.answer("ping", {});
  await settle();
  transport.last.publish(5, 6);
  assert.deepEqual(shown(), ["m2", "m3!", "m5!", "m6"]);
  assert.deepEqual(events.filter(([name]) => name === "recovered"), [["recovered", { position: at(5) }]]);
});

test("is told when something is lost", async (t) => {
  const { transport, events, pass, sub, shown } = await setUp(t);
  transport.last.end();
  await pass(500);
  transport.last.welcome({ subscriptions: [{ subscribe: { position: at(9, "f"), recovered: false, reason: "epoch" } }] });
  transport.last.publish(9, 10, { epoch: "f" });
  assert.deepEqual(events.filter(([name]) => name === "live").at(-1)[1], { position: at(9, "f"), recovered: false, reason: "epoch" });
  assert.deepEqual(sub.position, at(10, "f"));
  assert.deepEqual(shown(), ["m10"]);
});

test("a skip keeps the chain whole", async (t) => {
  const { transport, events, shown } = await setUp(t);
  transport.last.push({ skip: { channel: "news", ...at(3), prev: 1, reason: "own" } });
  transport.last.publish(3, 4);
  assert.deepEqual(shown(), ["m4"]);
  assert.equal(events.some(([name]) => name === "gap"), false);
});

for (const [what, push] of [
  ["a missing publication", (c) => c.publish(2, 3)],
  ["one that comes twice", (c) => c.publish(0, 1)],
  ["another epoch", (c) => c.publish(1, 2, { epoch: "f" })],
  ["a skip that does not fit", (c) => c.push({ skip: { channel: "news", ...at(4), prev: 3, reason: "own" } })],
]) {
  test(`${what} breaks the chain: it is asked for again`, async (t) => {
    const { transport, events, shown, sub } = await setUp(t);
    push(transport.last);
    transport.last.publish(3, 4); // not shown before the subscription is whole again
    await settle();
    assert.equal(sub.state, "subscribing");
    assert.deepEqual(events.find(([name]) => name === "gap")[1].last, at(1));
    transport.last.answer("unsubscribe", {});
    assert.deepEqual(transport.last.answer("subscribe", { position: at(1), recovered: true }).from, at(1));
    await settle();
    transport.last.publish(1, 2);
    transport.last.publish(2, 3);
    assert.deepEqual(shown(), ["m2!", "m3!"]);
  });
}

test("comes back when the server ended it for a while", async (t) => {
  const { transport, sub, pass } = await setUp(t);
  transport.last.push({ unsubscribed: { channel: "news", code: "insufficient_state", message: "", retry: true } });
  assert.equal(sub.state, "subscribing");
  await pass(500);
  assert.deepEqual(transport.last.answer("subscribe", null, { code: "unavailable", message: "", retry: true }).from, at(1));
  await settle();
  await pass(1500);
  transport.last.answer("subscribe", { position: at(1), recovered: true });
  await settle();
  assert.equal(sub.state, "recovering");
});

test("ends for good when the server says so", async (t) => {
  const { transport, sub, events, client } = await setUp(t);
  const loop = sub[Symbol.asyncIterator]();
  transport.last.publish(1, 2);
  transport.last.push({ unsubscribed: { channel: "news", code: "gone", message: "m", retry: false } });
  assert.equal(sub.state, "unsubscribed");
  assert.equal(events.at(-1)[1].code, "gone");
  assert.equal((await loop.next()).value.data, "m2");
  await assert.rejects(loop.next(), { code: "gone" });
  client.subscribe("news"); // may be subscribed anew
  assert.throws(() => client.subscribe("news"), /already/);
});

test("a refused subscription ends", async (t) => {
  const { client, transport } = await setUp(t);
  const sub = client.subscribe("bad");
  const events = record(sub, "unsubscribed");
  await settle();
  transport.last.answer("subscribe", null, { code: "bad_channel", message: "m", retry: false });
  await settle();
  assert.equal(events[0][1].code, "bad_channel");
  assert.equal(sub.state, "unsubscribed");
});

test("nothing comes after unsubscribe", async (t) => {
  const { transport, sub, shown } = await setUp(t);
  const loop = sub[Symbol.asyncIterator]();
  const end = loop.next();
  sub.unsubscribe();
  sub.unsubscribe();
  transport.last.publish(1, 2);
  await settle();
  assert.deepEqual(transport.last.commands.map((c) => c.unsubscribe), [{ channel: "news" }]);
  assert.deepEqual(shown(), []);
  assert.deepEqual(await end, { value: undefined, done: true });
});

test("one that was given up while connecting is taken back", async (t) => {
  fakeTime(t);
  const transport = fakeTransport();
  const client = new Ropewalk("http://example.test", { transports: [transport] });
  t.after(() => client.disconnect());
  const old = client.subscribe("news");
  client.connect();
  old.unsubscribe();
  client.subscribe("news", { latest: 2 });
  transport.last.welcome({ subscriptions: [{ subscribe: { position: at(1) } }] });
  await settle();
  assert.deepEqual(transport.last.commands.map((c) => Object.keys(c)[1]), ["unsubscribe", "subscribe"]);
});

test("a loop takes publications in order, and may be slow within bounds", async (t) => {
  const { transport, sub } = await setUp(t, { buffer: 3 });
  const loop = sub[Symbol.asyncIterator]();
  for (let i = 1; i < 6; i++) transport.last.publish(i, i + 1);
  const got = [];
  await assert.rejects(
    (async () => {
      for await (const p of loop) got.push(p.data);
    })(),
    { code: "overflow" },
  );
  assert.deepEqual(got, ["m2", "m3", "m4", "m5"]);
  assert.equal(sub.state, "subscribed", "the subscription goes on");
});

test("leaving a loop leaves the subscription", async (t) => {
  const { transport, sub, shown } = await setUp(t);
  const loop = sub[Symbol.asyncIterator]();
  transport.last.publish(1, 2);
  for await (const p of loop) {
    assert.equal(p.data, "m2");
    break;
  }
  transport.last.publish(2, 3);
  assert.deepEqual(shown(), ["m2", "m3"]);
});

test("patterns, joins and leaves", async (t) => {
  const { client, transport } = await setUp(t);
  const sub = client.subscribePattern("n.*", { joins: true });
  const events = record(sub, "publication", "join", "leave");
  await settle();
  assert.deepEqual(transport.last.answer("subscribe", {}), { pattern: "n.*", joins: true });
  await settle();
  transport.last.publish(7, 9, { channel: "n.a", pattern: "n.*" });
  transport.last.publish(3, 4, { channel: "n.b", pattern: "n.*" });
  assert.deepEqual(events.map(([, p]) => p.channel), ["n.a", "n.b"]);
  assert.equal(sub.position, undefined);
});

test("callbacks among the options", async (t) => {
  const seen = [];
  const { transport } = await setUp(t, { onPublication: (p) => seen.push(p.data), onJoin: ({ member }) => seen.push(member.client) });
  transport.last.publish(1, 2);
  transport.last.push({ join: { channel: "news", member: { client: "c2" } } });
  assert.deepEqual(seen, ["m2", "c2"]);
});

test("many subscriptions do not make connect too big", async (t) => {
  fakeTime(t);
  const transport = fakeTransport();
  const client = new Ropewalk("http://example.test", { transports: [transport] });
  t.after(() => client.disconnect());
  for (let i = 0; i < 300; i++) client.subscribe(`channel ${i}`);
  client.connect();
  const n = transport.last.connect.subscriptions.length;
  assert.ok(JSON.stringify(transport.last.connect).length < 4_096 && n > 50);
  transport.last.welcome({ subscriptions: Array(n).fill({ subscribe: { position: at(0) } }) });
  await settle();
  assert.equal(transport.last.commands.length, 300 - n);
});

test("takes a subscription that the server made for one like others", async (t) => {
  const pass = fakeTime(t);
  const transport = fakeTransport();
  const client = new Ropewalk("http://example.test", { transports: [transport] });
  t.after(() => client.disconnect());
  client.connect();
  transport.last.welcome();
  transport.last.push({ subscribed: { channel: "unheard", position: at(1) } });
  const made = record(client, "subscribed");
  transport.last.push({ subscribed: { channel: "news", position: at(1) } });
  const [[, sub]] = made;
  const events = record(sub, "publication", "unsubscribed");
  assert.deepEqual([made.length, sub.channel, sub.state], [1, "news", "subscribed"]);
  transport.last.publish(1, 4);
  transport.last.end();
  await pass(500);
  assert.deepEqual(JSON.parse(JSON.stringify(transport.last.connect.subscriptions)), [{ channel: "news", from: at(4) }]);
  transport.last.welcome({ subscriptions: [{ subscribe: { position: at(4), recovered: true } }] });
  transport.last.publish(4, 5);
  transport.last.push({ unsubscribed: { channel: "news", code: "unsubscribed", message: "m", retry: false } });
  assert.deepEqual(events.map(([name, e]) => e.data ?? e.code), ["m4", "m5", "unsubscribed"]);
  transport.last.push({ subscribed: { pattern: "ne*" } });
  assert.equal(made[1][1].pattern, "ne*");
});

test("goes on from its place when the server has subscribed it elsewhere meanwhile", async (t) => {
  const { transport, shown, sub } = await setUp(t);
  transport.last.publish(1, 2);
  transport.last.push({ unsubscribed: { channel: "news", code: "insufficient_state", message: "m", retry: true } });
  transport.last.push({ subscribed: { channel: "news", position: at(7) } });
  transport.last.publish(7, 8); // not for us
  await settle();
  transport.last.answer("unsubscribe", {});
  assert.deepEqual(transport.last.answer("subscribe", { position: at(2), recovered: true }).from, at(2));
  await settle();
  transport.last.publish(2, 7);
  assert.deepEqual(shown(), ["m2", "m7!"]);
  sub.unsubscribe();
});

test("what comes with the answer, in one piece, is seen", async (t) => {
  const { transport, events, shown } = await setUp(t);
  transport.last.publish(3, 4); // 2 and 3 are missing
  await settle();
  transport.last.answer("unsubscribe", {});
  transport.last.answer("subscribe", { position: at(1), recovered: true });
  transport.last.publish(1, 3);
  transport.last.publish(3, 4);
  await settle();
  transport.last.answer("ping", {});
  transport.last.publish(4, 5);
  assert.deepEqual(shown(), ["m3!", "m4!", "m5"]);
  assert.deepEqual(events.filter(([name]) => name === "recovered"), [["recovered", { position: at(4) }]]);
  assert.equal(events.filter(([name]) => name === "gap").length, 1);
});

test("does not say that all has come when the answer that would show it does not", async (t) => {
  const { transport, events, pass, sub } = await setUp(t);
  transport.last.end();
  await pass(500);
  transport.last.welcome({ subscriptions: [{ subscribe: { position: at(1), recovered: true } }] });
  await settle();
  for (let i = 0; i < 4; i++) {
    await pass(10_000);
    transport.last.alive();
  }
  assert.equal(sub.state, "recovering");
  assert.equal(events.some(([name]) => name === "recovered"), false);
});

test("one that a listener makes when the connection is there is asked for once", async (t) => {
  const { transport, client, pass } = await setUp(t);
  let late;
  client.on("connected", () => (late = client.subscribe("late")));
  transport.last.end();
  await pass(500);
  transport.last.welcome({ subscriptions: [{ subscribe: { position: at(1), recovered: true } }] });
  await settle();
  assert.equal(transport.last.commands.filter((c) => c.subscribe).length, 1);
  transport.last.answer("subscribe", { position: at(7) });
  assert.equal(late.state, "subscribed");
});

test("one that a listener replaces when the connection is there stays", async (t) => {
  const { transport, client, sub, pass } = await setUp(t);
  client.on("connected", () => {
    sub.unsubscribe();
    client.subscribe("news");
  });
  transport.last.end();
  await pass(500);
  transport.last.welcome({ subscriptions: [{ subscribe: { position: at(1), recovered: true } }] });
  await settle();
  assert.deepEqual(transport.last.commands.map((c) => Object.keys(c)[1]), ["unsubscribe", "subscribe"]);
});
