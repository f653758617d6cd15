// Node's own HTTP/2 as a peer, with the frames of WebSocket by the npm package ws:
// a client that sends extended CONNECT (RFC 8441), and a server that takes it. The
// commands are those of interop/http2_test.go.
"use strict";

const http2 = require("node:http2");
const { once } = require("node:events");
const { WebSocket } = require("ws");
const serve = require("../lines.cjs");

let session; // of the client
let server;
const sessions = []; // of the server
const accepted = queue();
let socket;

function queue() {
  const items = [];
  const takers = [];
  return {
    put: (item) => (takers.length ? takers.shift()(item) : items.push(item)),
    take: () => (items.length ? items.shift() : new Promise((resolve) => takers.push(resolve))),
  };
}

// tunnel has ws speak on a stream.
function tunnel(stream, isServer) {
  const s = new WebSocket(null, undefined, {});
  s._isServer = isServer;
  s._closeTimeout = 30_000; // which ws sets where it opens the connection itself
  s.stream = stream;
  s.messages = queue();
  s.pongs = queue();
  s.ended = new Promise((resolve) => {
    s.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  s.streamClosed = new Promise((resolve) => stream.on("close", () => resolve({ reset: stream.rstCode })));
  s.on("error", () => {});
  stream.on("error", () => {});
  s.on("message", (data, binary) => s.messages.put({ binary, data: data.toString("base64") }));
  s.on("pong", (data) => s.pongs.put(data.toString()));
  s.setSocket(stream, Buffer.alloc(0), { maxPayload: 0, skipUTF8Validation: false });
  return s;
}

const commands = {
  // Connects and returns the server's SETTINGS_ENABLE_CONNECT_PROTOCOL.
  async open({ url }) {
    session = http2.connect(url);
    session.on("error", () => {});
    const [settings] = await once(session, "remoteSettings");
    return { enabled: settings.enableConnectProtocol === true };
  },

  // Sends an extended CONNECT and returns the answer, with its body if it is no 2xx.
  async dial({ headers }) {
    const stream = session.request({
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":scheme": "http",
      ":path": "/ws",
      "sec-websocket-version": "13",
      ...headers,
    });
    const failed = once(stream, "error").then(([err]) => ({ error: String(err) }));
    const answered = once(stream, "response").then(async ([answer]) => {
      if (answer[":status"] === 200) {
        socket = tunnel(stream, false);
        return { status: 200, headers: answer };
      }
      let body = "";
      for await (const part of stream.setEncoding("utf8")) body += part;
      return { status: answer[":status"], headers: answer, body };
    });
    return Promise.race([answered, failed]);
  },

  // Fetches a path on the same connection.
  async get({ path }) {
    const stream = session.request({ ":path": path });
    const [answer] = await once(stream, "response");
    let body = "";
    for await (const part of stream.setEncoding("utf8")) body += part;
    return { status: answer[":status"], body };
  },

  // Serves without TLS and returns the address.
  async listen() {
    server = http2.createServer({ settings: { enableConnectProtocol: true } });
    server.on("session", (s) => sessions.push(s));
    server.on("stream", (stream, headers) => {
      if (headers[":method"] !== "CONNECT" || headers[":protocol"] !== "websocket") {
        stream.respond({ ":status": 404 }, { endStream: true });
        return;
      }
      stream.respond({ ":status": 200 });
      accepted.put({ headers, socket: tunnel(stream, true) });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return { addr: `127.0.0.1:${server.address().port}` };
  },

  // Waits for a tunnel and returns the head of its request.
  async accept() {
    const { headers, socket: s } = await accepted.take();
    socket = s;
    return { headers, sessions: sessions.length };
  },

  // Sends one message, each part as a frame of its own.
  async send({ binary, parts }) {
    for (const [i, part] of parts.entries()) {
      const payload = Buffer.from(part, "base64");
      await new Promise((resolve, reject) =>
        socket.send(payload, { binary, fin: i === parts.length - 1 }, (err) => (err ? reject(err) : resolve())),
      );
    }
  },

  receive: () => socket.messages.take(),

  async ping({ data }) {
    socket.ping(data);
    return { data: await socket.pongs.take() };
  },

  async close({ code, reason }) {
    socket.close(code, reason);
    return { ...(await socket.ended), ...(await socket.streamClosed) };
  },

  closed: async () => ({ ...(await socket.ended), ...(await socket.streamClosed) }),

  // Resets the stream with CANCEL.
  reset() {
    socket.stream.close(http2.constants.NGHTTP2_CANCEL);
  },

  // Ends everything.
  shut() {
    session?.destroy();
    for (const s of sessions) s.destroy();
    server?.close();
  },
};

serve(commands);
