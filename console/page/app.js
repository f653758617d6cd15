// The page speaks ropewalk.v1.json, see docs/reference/protocol.md. Whatever comes
// from outside is shown through textContent.

const subprotocol = "ropewalk.v1.json";
const pingEvery = 5_000;
const replyTime = 10_000;
const firstDelay = 1_000; // the first try after an end waits a random part of it
const longestDelay = 30_000;
const mostMessages = 500;

const $ = (id) => document.getElementById(id);

// A Connection keeps one WebSocket open: it connects, asks for answers, and comes
// back after an end, later each time.
class Connection extends EventTarget {
  #url;
  #socket = null;
  #lastId = 0;
  #waiting = new Map(); // command id to {resolve, reject, timer}
  #failures = 0;
  #retry = null; // the timer of the next attempt
  #advice = null; // the last disconnect push
  #pinging = null;

  constructor(url) {
    super();
    this.#url = url;
  }

  open() {
    clearTimeout(this.#retry);
    this.#retry = null;
    if (this.#socket) return;
    this.#advice = null;
    this.#lastId = 0;
    const socket = new WebSocket(this.#url, subprotocol);
    this.#socket = socket;
    this.#tell("state", { state: "connecting" });
    socket.onopen = () => this.#greet(socket);
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onclose = (event) => this.#ended(socket, event);
  }

  // Closes and stays closed.
  close() {
    clearTimeout(this.#retry);
    this.#retry = null;
    this.#advice = { retry: false, reason: "disconnected" };
    if (this.#socket) this.#socket.close(1000);
    else this.#tell("state", { state: "offline", detail: "disconnected" });
  }

  get wanted() {
    return this.#socket !== null || this.#retry !== null;
  }

  // Tries at once what would be tried later.
  hurry() {
    if (this.#retry !== null) this.open();
  }

  command(name, body) {
    const socket = this.#socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Error("not connected"));
    }
    const id = ++this.#lastId;
    socket.send(JSON.stringify({ id, [name]: body }));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`no answer to ${name}`));
        this.#abandon(socket);
      }, replyTime);
      this.#waiting.set(id, { resolve, reject, timer, name });
    });
  }

  async #greet(socket) {
    try {
      await this.command("connect", {});
    } catch {
      return; // the end of the connection tells more
    }
    this.#failures = 0;
    this.#tell("state", { state: "online" });
    this.#ping();
    this.#pinging = setInterval(() => this.#ping(), pingEvery);
  }

  async #ping() {
    const start = performance.now();
    try {
      await this.command("ping", {});
      this.#tell("latency", { ms: performance.now() - start });
    } catch {
      // the end of the connection tells more
    }
  }

  #receive(socket, text) {
    if (socket !== this.#socket) return;
    const message = JSON.parse(text);
    if (message.publication) this.#tell("publication", message.publication);
    if (message.disconnect) this.#advice = message.disconnect;
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.error) {
      waiting.reject(new Error(`${message.error.message} (${message.error.code})`));
    } else {
      waiting.resolve(message[waiting.name]);
    }
  }

  // Gives up a connection whose other end is silent: its closing handshake would
  // not be answered either.
  #abandon(socket) {
    if (socket !== this.#socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#ended(socket, { code: 1006, reason: "" });
  }

  #ended(socket, event) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearInterval(this.#pinging);
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Error("the connection ended"));
    }
    this.#waiting.clear();
    const advice = this.#advice;
    const reason = advice?.reason || event.reason || "connection lost";
    const detail = event.code === 1006 ? reason : `${reason} (${event.code})`;
    if (advice && !advice.retry) {
      this.#tell("state", { state: "offline", detail });
      return;
    }
    const delay = this.#delay(advice);
    this.#retry = setTimeout(() => this.open(), delay);
    this.#tell("state", { state: "offline", detail, delay });
  }

  // RFC 6455, section 7.2.3: the first attempt is delayed at random, and later
  // ones wait longer, so that a server that comes back is not overrun.
  #delay(advice) {
    const failures = this.#failures++;
    if (advice?.after !== undefined && failures === 0) return advice.after;
    const longest = Math.min(longestDelay, firstDelay * 2 ** failures);
    return failures === 0 ? Math.random() * longest : longest * (0.5 + Math.random() / 2);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// channel to { live, epoch, offset }
const subscriptions = new Map();

const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const connection = new Connection(`${scheme}//${location.host}/connection/websocket`);

function showError(err) {
  $("error").textContent = err ? err.message : "";
  $("error").hidden = !err;
}

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function addLine(line) {
  const list = $("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(line);
  while (list.children.length > mostMessages) list.firstElementChild.remove();
  $("empty").hidden = true;
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function addNote(text) {
  const line = element("li");
  line.append(element("div", "note", text));
  addLine(line);
}

function addPublication(p) {
  const line = element("li");
  const meta = element("div", "meta");
  const time = element("time", "", new Date(p.time).toLocaleTimeString());
  time.dateTime = new Date(p.time).toISOString();
  meta.append(element("span", "channel", p.channel), element("span", "", `#${p.offset}`), time);
  let text = typeof p.data === "string" ? p.data : JSON.stringify(p.data, null, 1);
  if (p.base64 !== undefined) text = `${p.content_type}: ${p.base64}`;
  line.append(meta, element("pre", "data", text));
  addLine(line);
}

function showSubscriptions() {
  const items = [...subscriptions].map(([channel, { live }]) => {
    const item = element("li");
    item.dataset.channel = channel;
    item.dataset.live = live;
    const remove = element("button", "", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", `Unsubscribe from ${channel}`);
    remove.addEventListener("click", () => unsubscribe(channel));
    item.append(element("span", "", channel), remove);
    return item;
  });
  $("subscriptions").replaceChildren(...items);
}

async function subscribe(channel) {
  const known = subscriptions.get(channel);
  if (known?.live || known?.asking) return;
  const sub = known ?? {};
  sub.asking = true;
  subscriptions.set(channel, sub);
  showSubscriptions();
  try {
    const position = await connection.command("subscribe", { channel });
    if (sub.epoch && (sub.epoch !== position.epoch || sub.offset !== position.offset)) {
      addNote(`${channel}: messages may have been missed while the connection was down`);
    }
    Object.assign(sub, position, { live: true });
    showError(null);
    // Removed while the server was asked.
    if (subscriptions.get(channel) !== sub) await connection.command("unsubscribe", { channel });
  } catch (err) {
    if (!known && connection.wanted && $("state").dataset.state === "online") subscriptions.delete(channel);
    showError(err);
  } finally {
    sub.asking = false;
    showSubscriptions();
  }
}

async function unsubscribe(channel) {
  const live = subscriptions.get(channel)?.live;
  subscriptions.delete(channel);
  showSubscriptions();
  $("channel").focus();
  if (!live) return;
  try {
    await connection.command("unsubscribe", { channel });
  } catch (err) {
    showError(err);
  }
}

// Text that is JSON is sent as it is meant, any other as a string.
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function publish() {
  try {
    await connection.command("publish", { channel: $("channel").value, data: parse($("data").value) });
    showError(null);
    $("data").select();
  } catch (err) {
    showError(err);
  }
}

connection.addEventListener("state", ({ detail: { state, detail, delay } }) => {
  let text = detail ? `${state}: ${detail}` : state;
  if (delay !== undefined) text += `, trying again in ${Math.ceil(delay / 1000)} s`;
  $("state").textContent = text;
  $("state").dataset.state = state;
  $("toggle").textContent = connection.wanted ? "Disconnect" : "Connect";
  $("publish").disabled = state !== "online";
  if (state === "online") {
    for (const channel of subscriptions.keys()) subscribe(channel);
    return;
  }
  $("latency").textContent = "–";
  for (const sub of subscriptions.values()) sub.live = false;
  showSubscriptions();
});

connection.addEventListener("latency", ({ detail: { ms } }) => {
  $("latency").textContent = `${ms.toFixed(1)} ms`;
});

connection.addEventListener("publication", ({ detail: p }) => {
  const sub = subscriptions.get(p.channel);
  if (!sub) return; // it was on its way when the subscription ended
  if (sub.live && sub.epoch === p.epoch && sub.offset !== p.prev) {
    addNote(`${p.channel}: a message between #${sub.offset} and #${p.offset} is missing`);
  }
  sub.epoch = p.epoch;
  sub.offset = p.offset;
  addPublication(p);
});

$("subscribe-form").addEventListener("submit", (event) => {
  event.preventDefault();
  subscribe($("channel").value);
});

$("publish-form").addEventListener("submit", (event) => {
  event.preventDefault();
  publish();
});

$("data").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    $("publish-form").requestSubmit();
  }
});

$("clear").addEventListener("click", () => {
  $("messages").replaceChildren();
  $("empty").hidden = false;
});

$("toggle").addEventListener("click", () => {
  if (connection.wanted) connection.close();
  else connection.open();
});

addEventListener("online", () => connection.hurry());

connection.open();
