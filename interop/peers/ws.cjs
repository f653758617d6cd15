// The npm package ws as a peer: a client (dial) or a server (listen, accept)
// with one connection at a time. The commands are those of interop/peer_test.go.
"use strict";

const { once } = require("node:events");
const { WebSocket, WebSocketServer } = require("ws");
const serve = require("../lines.cjs");

let server;
let accepted = [];
let socket;

// compression turns the commands' names into those of ws. Zero means not asked for.
function compression(c) {
  if (!c) return false;
  const options = { threshold: 0 };
  if (c.serverNoTakeover) options.serverNoContextTakeover = true;
  if (c.clientNoTakeover) options.clientNoContextTakeover = true;
  if (c.serverBits) options.serverMaxWindowBits = c.serverBits;
  if (c.clientBits) options.clientMaxWindowBits = c.clientBits;
  return options;
}

// watch keeps what arrives on s until a command asks for it.
function watch(s) {
  s.messages = queue();
  s.pings = queue();
  s.pongs = queue();
  s.ended = new Promise((resolve) => {
    s.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  s.failed = new Promise((resolve) => s.on("error", resolve));
  s.on("message", (data, binary) => s.messages.put({ binary, data: data.toString("base64") }));
  s.on("ping", (data) => s.pings.put(data.toString()));
  s.on("pong", (data) => s.pongs.put(data.toString()));
  return s;
}

function queue() {
  const items = [];
  const takers = [];
  return {
    put: (item) => (takers.length ? takers.shift()(item) : items.push(item)),
    take: () => (items.length ? items.shift() : new Promise((resolve) => takers.push(resolve))),
  };
}

const sent = (send) => new Promise((resolve, reject) => send((err) => (err ? reject(err) : resolve())));

// unlessEnded waits for something that the connection brings.
async function unlessEnded(wanted) {
  const got = await Promise.race([
    wanted,
    socket.failed,
    socket.ended.then(({ code, reason }) => new Error(`the connection ended with ${code} ${reason}`)),
  ]);
  if (got instanceof Error) throw got;
  return got;
}

const commands = {
  async dial({ url, subprotocols, compress }) {
    socket = watch(new WebSocket(url, subprotocols ?? [], { perMessageDeflate: compression(compress) }));
    let answer;
    socket.on("upgrade", (response) => (answer = response.headers));
    await unlessEnded(new Promise((resolve) => socket.on("open", resolve)));
    return { extensions: answer["sec-websocket-extensions"] ?? "", subprotocol: socket.protocol };
  },

  async listen({ compress, subprotocol }) {
    server = new WebSocketServer({
      host: "127.0.0.1",
      port: 0,
      perMessageDeflate: compression(compress),
      handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
    });
    const connections = queue();
    accepted = connections;
    server.on("connection", (s) => connections.put(watch(s)));
    await once(server, "listening");
    return { addr: "127.0.0.1:" + server.address().port };
  },

  async accept() {
    socket = await accepted.take();
    return { extensions: "", subprotocol: socket.protocol };
  },

  // Each element of parts travels as one frame.
  async send({ binary, parts }) {
    for (const [i, part] of parts.entries()) {
      const data = Buffer.from(part, "base64");
      await sent((done) => socket.send(data, { binary, fin: i === parts.length - 1 }, done));
    }
  },

  receive: () => unlessEnded(socket.messages.take()),

  async ping({ data }) {
    await sent((done) => socket.ping(data, undefined, done));
    return { data: await unlessEnded(socket.pongs.take()) };
  },

  pinged: () => unlessEnded(socket.pings.take()),

  pong: ({ data }) => sent((done) => socket.pong(data, undefined, done)),

  // Code 0 sends a Close frame without a code.
  async close({ code, reason }) {
    if (code) socket.close(code, reason);
    else socket.close();
    return await socket.ended;
  },

  closed: () => socket.ended,

  async shut() {
    socket?.terminate();
    await new Promise((resolve) => (server ? server.close(resolve) : resolve()));
    server = undefined;
  },
};

serve(commands);
