// What a client does with a server, from end to end. The same text runs in Node and, with
// the page's copy of the client, in browsers: see interop/sdk_test.go.

/**
 * Carries every command out over one transport, in one encoding, and throws an Error at the
 * first surprise. Returns the steps that were taken.
 */
export async function scenario({ Ropewalk, url, transport, encoding, WebSocket }) {
  const steps = [];
  const clients = [];
  const run = `${transport}-${encoding}-${Math.random().toString(36).slice(2)}`;
  const channel = `live.${run}.a`;

  const step = (name) => steps.push(name);
  const same = (got, want, what) => {
    const [g, w] = [text(got), text(want)];
    if (g !== w) throw new Error(`after ${steps.at(-1)}: ${what} is ${g}, want ${w}`);
  };
  const text = (v) => JSON.stringify(v, (_, item) => (item instanceof Uint8Array ? [...item] : item));
  const newClient = (info) => {
    const client = new Ropewalk(url, { transports: [transport], encoding, info, WebSocket });
    clients.push(client);
    return client;
  };
  const next = (emitter, name) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`after ${steps.at(-1)}: ${name} did not come`)), 20_000);
      const off = emitter.on(name, (event) => {
        clearTimeout(timer);
        off();
        resolve(event);
      });
    });
  const code = (promise) =>
    promise.then(
      () => "no error",
      (err) => err.code ?? String(err),
    );

  try {
    step("connect");
    const a = newClient({ name: "a" });
    const sub = a.subscribe(channel, { joins: true });
    const [live, connected] = [next(sub, "live"), next(a, "connected")];
    a.connect();
    const { client: own, transport: used } = await connected;
    same(used, transport, "transport");
    await live;
    const start = sub.position;
    const loop = sub[Symbol.asyncIterator]();

    step("publish");
    const first = await a.publish(channel, { text: "schön", list: [1, null, true] }, { id: "one", key: "k", tags: { color: "red" } });
    const p = (await loop.next()).value;
    same([p.channel, p.data, p.id, p.key, p.tags, p.client], [channel, { text: "schön", list: [1, null, true] }, "one", "k", { color: "red" }, own], "publication");
    same([first.duplicate, first.position.offset, p.prev], [false, p.offset, start.offset], "position");

    step("publish it again");
    same(await a.publish(channel, 1, { id: "one" }), { position: first.position, duplicate: true }, "answer");

    step("publish bytes");
    const bytes = Uint8Array.of(0, 1, 254, 255);
    await a.publish(channel, bytes, { contentType: "application/x-test" });
    const binary = (await loop.next()).value;
    same([binary.data instanceof Uint8Array, binary.data, binary.contentType], [true, bytes, "application/x-test"], "data");

    step("publish for others");
    const skipped = next(sub, "skip");
    const own3 = await a.publish(channel, "not for me", { excludeSelf: true });
    same([(await skipped).reason, sub.position], ["own", own3.position], "skip");

    step("publish at a position");
    same(await code(a.publish(channel, 1, { expect: first.position })), "conflict", "code");
    const expected = await a.publish(channel, "fits", { expect: own3.position });
    same((await loop.next()).value.offset, expected.position.offset, "offset");

    step("history");
    const forward = await a.history(channel, { limit: 2 });
    same([forward.publications.map((x) => x.data), forward.more, forward.top], [[{ text: "schön", list: [1, null, true] }, bytes], true, expected.position], "page");
    const behind = await a.history(channel, { from: { epoch: start.epoch, offset: forward.publications[1].offset } });
    same([behind.publications.map((x) => x.data), behind.more], [["not for me", "fits"], false], "page");
    const reverse = await a.history(channel, { reverse: true, limit: 1 });
    same([reverse.publications.map((x) => x.data), reverse.more], [["fits"], true], "page");

    step("joins and leaves");
    const b = newClient({ name: "b" });
    const joined = new Promise((resolve) => sub.on("join", ({ member }) => member.client !== own && resolve(member)));
    b.subscribe(channel);
    b.connect();
    same((await joined).info, { name: "b" }, "info");

    step("presence");
    const { members } = await a.presence(channel);
    same(members.map((m) => m.info.name).sort(), ["a", "b"], "members");
    same((await a.presenceCount(channel)).clients, 2, "clients");

    step("rpc");
    same(await code(a.rpc("no.such.method", { x: 1 })), "unknown_method", "code");

    step("refresh");
    same(await code(a.refresh("token")), "not_supported", "code");

    step("ping");
    same((await a.ping()) >= 0, true, "time");

    step("a bad channel");
    same((await next(a.subscribe("a\nb"), "unsubscribed")).code, "bad_channel", "code");

    step("the latest");
    const late = newClient();
    const latest = late.subscribe(channel, { latest: 2 });
    const loopOfLatest = latest[Symbol.asyncIterator]();
    late.connect();
    const two = [(await loopOfLatest.next()).value, (await loopOfLatest.next()).value];
    same(two.map((x) => x.data), ["not for me", "fits"], "latest");
    late.disconnect();

    step("a pattern");
    const all = b.subscribePattern(`live.${run}.*`);
    const some = all[Symbol.asyncIterator]();
    await next(all, "live");
    await a.publish(`live.${run}.b`, "by pattern");
    same([(await some.next()).value].map((x) => [x.channel, x.pattern, x.data]), [[`live.${run}.b`, `live.${run}.*`, "by pattern"]], "publication");

    step("recovery");
    a.disconnect();
    for (const n of [1, 2, 3]) await b.publish(channel, `missed ${n}`);
    const lives = next(sub, "live");
    const recovered = next(sub, "recovered");
    a.connect();
    same((await lives).recovered, true, "recovered");
    await recovered;
    const missed = [];
    for (const _ of [1, 2, 3]) missed.push((await loop.next()).value);
    same(missed.map((x) => [x.data, x.recovered]), [1, 2, 3].map((n) => [`missed ${n}`, true]), "missed");
    await b.publish(channel, "live again");
    same((await loop.next()).value.data, "live again", "publication");

    step("unsubscribe");
    sub.unsubscribe();
    await a.publish(channel, "nobody hears this");
    same((await loop.next()).done, true, "end of the loop");
    return steps;
  } finally {
    for (const client of clients) client.disconnect();
  }
}

/** Every way to speak with the server. */
export const ways = [
  ["websocket", "json"],
  ["websocket", "protobuf"],
  ["sse", "json"],
  ["stream", "json"],
  ["stream", "protobuf"],
  ["poll", "json"],
  ["poll", "protobuf"],
];
