import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { Ropewalk } from "../dist/index.js";
import { varint, protobuf } from "../dist/protobuf.js";
import { tables } from "../dist/schema.js";

const pb = protobuf(tables);

/** An HTTP server whose answers the test gives: next waits for a request and returns it with its body. */
async function scripted(t) {
  const requests = [];
  let wake = () => {};
  const server = createServer(async (req, res) => {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    requests.push({ path: req.url, method: req.method, headers: req.headers, body: Buffer.concat(chunks), res });
    wake();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async next(path) {
      for (;;) {
        const i = requests.findIndex((r) => r.path.startsWith(`/connection/${path}`));
        if (i >= 0) return requests.splice(i, 1)[0];
        await new Promise((resolve) => (wake = resolve));
      }
    },
  };
}

function newClient(t, server, transport, encoding) {
  const client = new Ropewalk(server.url, { transports: [transport], encoding });
  t.after(() => client.disconnect());
  client.connect();
  return client;
}

const realTimeout = setTimeout;

const once = (emitter, name) => new Promise((resolve) => emitter.on(name, resolve));

const welcome = (id) => ({ id, connect: { session: "n.secret", client: "c", node: "n", resumed: false, ping: 25_000 } });

for (const { name, encoding, type, connectOf, write } of [
  {
    name: "sse",
    encoding: "protobuf", // which it does not have
    type: "application/json",
    connectOf: ({ path }) => Object.fromEntries([...new URL(path, "http://x").searchParams].map(([name, text]) => [name, JSON.parse(text)])),
    write: (res, event) => res.write(`data: ${JSON.stringify(event)}\n\n`),
  },
  {
    name: "stream",
    encoding: "json",
    type: "application/json",
    connectOf: ({ body }) => JSON.parse(body),
    write: (res, event) => res.write(`${JSON.stringify(event)}\n\n`),
  },
  {
    name: "stream",
    encoding: "protobuf",
    type: "application/x-protobuf",
    connectOf: ({ body }) => pb.decode("Commands", body).commands[0],
    write: (res, { id, ...rest }) => {
      const event = pb.encode("Event", id ? { reply: { id, ...rest } } : rest);
      res.write(Buffer.concat([Buffer.of(0), varint(event.length), event]));
    },
  },
]) {
  test(`${name} in ${encoding}`, async (t) => {
    const server = await scripted(t);
    const client = newClient(t, server, name, encoding);
    const stream = await server.next(name);
    assert.equal(stream.method, name === "sse" ? "GET" : "POST");
    const { id, connect } = connectOf(stream);
    assert.ok(connect);
    write(stream.res, welcome(id));
    await once(client, "connected");

    const published = client.publish("news", { n: 1 }, { id: "a" });
    const post = await server.next("commands");
    assert.equal(post.headers["content-type"], type);
    assert.equal(post.headers["ropewalk-session"], "n.secret");
    const command = type === "application/json" ? JSON.parse(post.body) : pb.decode("Commands", post.body).commands[0];
    assert.deepEqual(command.publish, { channel: "news", data: { n: 1 }, id: "a" });
    post.res.writeHead(204).end();
    write(stream.res, { id: command.id, publish: { position: { epoch: "e", offset: 1 }, duplicate: false } });
    assert.deepEqual(await published, { position: { epoch: "e", offset: 1 }, duplicate: false });

    const ended = once(client, "disconnected");
    stream.res.end();
    assert.equal((await ended).reason, "connection lost");
  });
}

test("commands go one after another, together where they waited", async (t) => {
  const server = await scripted(t);
  const client = newClient(t, server, "stream", "json");
  const stream = await server.next("stream");
  stream.res.write(`${JSON.stringify(welcome(1))}\n`);
  await once(client, "connected");
  client.publish("a", 1).catch(() => {});
  const first = await server.next("commands");
  client.publish("a", 2).catch(() => {});
  await Promise.resolve();
  client.publish("a", 3).catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  first.res.writeHead(204).end();
  const second = await server.next("commands");
  assert.deepEqual(JSON.parse(second.body).map((c) => c.publish.data), [2, 3]);
});

test("commands that nobody answers end the connection, though it is heard", async (t) => {
  const server = await scripted(t);
  const client = newClient(t, server, "stream", "json");
  const stream = await server.next("stream");
  stream.res.write(`${JSON.stringify(welcome(1))}\n`);
  await once(client, "connected");
  const timers = t.mock.method(globalThis, "setTimeout", (f, ms, ...args) => realTimeout(f, ms === 10_000 ? 50 : ms, ...args));
  const published = client.publish("a", 1, { id: "a" });
  const ended = once(client, "disconnected");
  await server.next("commands"); // and no answer
  assert.equal((await ended).reason, "connection lost");
  timers.mock.restore();
  const again = await server.next("stream");
  again.res.write(`${JSON.stringify(welcome(2))}\n`);
  const post = await server.next("commands");
  const { id } = JSON.parse(post.body);
  post.res.writeHead(204).end();
  again.res.write(`${JSON.stringify({ id, publish: { position: { epoch: "e", offset: 1 }, duplicate: false } })}\n`);
  assert.equal((await published).position.offset, 1);
});

for (const [what, path] of [["stream", "stream"], ["commands", "commands"]]) {
  test(`an answer that refuses the ${what} ends the connection`, async (t) => {
    const server = await scripted(t);
    const client = newClient(t, server, "stream", "json");
    const stream = await server.next("stream");
    const ended = once(client, "disconnected");
    let refused = stream;
    if (path === "commands") {
      stream.res.write(`${JSON.stringify(welcome(1))}\n`);
      await once(client, "connected");
      client.publish("a", 1).catch(() => {});
      refused = await server.next("commands");
    }
    refused.res.writeHead(404, { "Content-Type": "application/json" }).end('{"code":"session_unknown","message":"no such session"}');
    const { code, reason } = await ended;
    assert.deepEqual([code, reason], [404, "no such session"]);
  });
}

for (const encoding of ["json", "protobuf"]) {
  test(`poll in ${encoding}, with an answer that is lost`, async (t) => {
    const server = await scripted(t);
    const client = newClient(t, server, "poll", encoding);
    const answer = ({ res }, batch, ...events) => {
      res.setHeader("Ropewalk-Batch", batch);
      if (encoding === "json") return res.end(JSON.stringify(events));
      const parts = events.map(({ id, ...rest }) => pb.encode("Event", id ? { reply: { id, ...rest } } : rest));
      return res.end(Buffer.concat(parts.flatMap((p) => [varint(p.length), p])));
    };
    const seen = [];
    client.on("message", ({ data }) => seen.push(data));

    const first = await server.next("poll");
    assert.equal(first.headers["ropewalk-session"], undefined);
    answer(first, 1, welcome(1), { message: { data: "a" } });
    const second = await server.next("poll");
    assert.deepEqual([second.headers["ropewalk-session"], second.headers["ropewalk-batch"]], ["n.secret", "1"]);
    assert.equal(second.body.length, 0);
    second.res.writeHead(200, { "Ropewalk-Batch": "2", "Content-Length": "1000" });
    second.res.write("[");
    second.res.destroy();
    const third = await server.next("poll");
    assert.equal(third.headers["ropewalk-batch"], "1", "what was lost is asked for again");
    answer(third, 2, { message: { data: "b" } });
    const fourth = await server.next("poll");
    assert.equal(fourth.headers["ropewalk-batch"], "2");
    assert.deepEqual(seen, ["a", "b"]);

    const ended = once(client, "disconnected");
    answer(fourth, 3, { disconnect: { code: 1001, reason: "bye", retry: true, after: 60_000 } });
    assert.deepEqual(await ended, { code: 1001, reason: "bye", after: 60_000 });
  });
}
