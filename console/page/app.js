import { Ropewalk } from "/ropewalk.js";
import { $, addNote, addPublication, addWire, clearMessages, element } from "./log.js";
import { forgetPresence, join, leave, readPresence, setOwnName } from "./presence.js";

const pingEvery = 5_000;

let client;
const subscriptions = new Map(); // channel or pattern to its subscription

function showError(err) {
  $("error").textContent = err ? `${err.message}${err.code ? ` (${err.code})` : ""}` : "";
  $("error").hidden = !err;
}

// Makes a client of what is chosen. Subscriptions go on where they were with the one before.
function start() {
  const before = client;
  before?.disconnect();
  client = new Ropewalk(location.origin, {
    encoding: $("encoding").value,
    transports: $("transport").value ? [$("transport").value] : undefined,
    info: { page: "console" },
  });
  client.on("wire", addWire);
  client.on("connecting", () => showState("connecting"));
  client.on("connected", connected);
  client.on("disconnected", disconnected);
  for (const [name, { position }] of [...subscriptions]) subscribe(name, { from: position });
  if (!isOffline()) client.connect();
}

const isOffline = () => $("offline").getAttribute("aria-checked") === "true";

function showState(state, text = state) {
  $("state").textContent = text;
  $("state").dataset.state = state;
  $("publish").disabled = state !== "online";
}

function connected({ client: name, transport }) {
  showState("online", `online over ${transport}`);
  showError();
  setOwnName(name);
  measure();
}

function disconnected({ code, reason, after }) {
  const detail = code === 1000 || code === 1006 ? reason : `${reason} (${code})`;
  const next = after === undefined ? "" : `, trying again in ${Math.ceil(after / 1000)} s`;
  showState("offline", `offline: ${detail}${next}`);
  $("latency").textContent = "–";
  forgetPresence();
}

async function measure() {
  try {
    $("latency").textContent = `${(await client.ping()).toFixed(1)} ms`;
  } catch {
    // the end of the connection tells more
  }
}

function subscribe(name, options) {
  const wanted = client;
  const mark = options.from ? "recovered" : "history";
  let again = false;
  let missed = 0;
  const listeners = {
    joins: !name.includes("*"), // a pattern has none
    onState: showSubscriptions,
    onLive({ recovered, reason }) {
      missed = 0;
      if (recovered === false) addNote(`${name}: something may be lost (${reason})`, "bad");
      if (wanted === client && !name.includes("*")) readPresence(client, name);
    },
    onRecovered() {
      if (again || options.from) addNote(missed ? `${name}: ${missed} missed, all recovered` : `${name}: nothing missed`, "good");
      again = true;
    },
    onPublication(p) {
      if (p.recovered) missed++;
      addPublication(p, p.recovered && (again ? "recovered" : mark));
    },
    onJoin: join,
    onLeave: leave,
    onGap: ({ last, next }) => addNote(`${name}: nothing came between #${last.offset} and #${next.prev}; asking again`),
    onUnsubscribed(err) {
      if (subscriptions.get(name) !== sub) return;
      subscriptions.delete(name);
      forgetPresence(name);
      showSubscriptions();
      if (err) showError(err);
    },
  };
  const sub = name.includes("*") ? client.subscribePattern(name, listeners) : client.subscribe(name, { ...options, ...listeners });
  sub.on("live", () => (again = again || !options.latest));
  subscriptions.set(name, sub);
  showSubscriptions();
}

function showSubscriptions() {
  const items = [...subscriptions].map(([name, sub]) => {
    const item = element("li");
    item.dataset.channel = name;
    item.dataset.state = sub.state;
    item.dataset.live = sub.state === "subscribed";
    const choose = element("button", "name", name);
    choose.type = "button";
    choose.title = "Publish to it";
    choose.addEventListener("click", () => ($("channel").value = name));
    const remove = element("button", "remove", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", `Unsubscribe from ${name}`);
    remove.addEventListener("click", () => {
      sub.unsubscribe();
      $("channel").focus();
    });
    item.append(choose, remove);
    return item;
  });
  $("subscriptions").replaceChildren(...items);
}

// Text that is JSON is sent as it is meant, any other as a string.
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

$("subscribe-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("channel").value;
  showError();
  if (!subscriptions.has(name)) subscribe(name, { latest: Number($("latest").value) || undefined });
});

$("publish-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await client.publish($("channel").value, parse($("data").value), { timeout: 10_000 });
    showError();
    $("data").select();
  } catch (err) {
    showError(err);
  }
});

$("data").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    $("publish-form").requestSubmit();
  }
});

$("offline").addEventListener("click", () => {
  $("offline").setAttribute("aria-checked", String(!isOffline()));
  if (isOffline()) client.disconnect();
  else client.connect();
});

$("clear").addEventListener("click", clearMessages);
$("transport").addEventListener("change", start);
$("encoding").addEventListener("change", start);
setInterval(() => client.state === "connected" && measure(), pingEvery);

start();
