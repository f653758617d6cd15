// What the page's lists are made of. Whatever comes from outside is shown through
// textContent.

const mostLines = 500;
const mostWire = 200;
const mostText = 2_000; // of one message on the wire

export const $ = (id) => document.getElementById(id);

export function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

// Adds a line to a list that holds so many, and scrolls if the reader is at its end.
function add(list, line, most) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(line);
  while (list.children.length > most) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function addLine(line) {
  add($("messages"), line, mostLines);
  $("empty").hidden = true;
}

// kind is "good", "wait" or "bad".
export function addNote(text, kind = "wait") {
  const line = element("li");
  line.append(element("div", `note ${kind}`, text));
  addLine(line);
}

// mark says why a message is shown that was published before, if it was.
export function addPublication(p, mark) {
  const line = element("li");
  line.dataset.offset = p.offset;
  line.dataset.channel = p.channel;
  if (mark) line.dataset.mark = mark;
  const meta = element("div", "meta");
  const time = element("time", "", new Date(p.time).toLocaleTimeString());
  time.dateTime = new Date(p.time).toISOString();
  meta.append(element("span", "channel", p.channel), element("span", "", `#${p.offset}`), time);
  if (mark) meta.append(element("span", "mark", mark));
  line.append(meta, element("pre", "data", show(p)));
  addLine(line);
}

function show({ data, contentType }) {
  if (data instanceof Uint8Array) return `${contentType}: ${[...data.subarray(0, 64)].map((b) => b.toString(16).padStart(2, "0")).join(" ")}`;
  return typeof data === "string" ? data : JSON.stringify(data, null, 1);
}

export function clearMessages() {
  $("messages").replaceChildren();
  $("empty").hidden = false;
}

let wireCount = 0;

// Adds what passed over the wire: text as it was, bytes decoded.
export function addWire({ sent, wire, message }) {
  wireCount++;
  $("wire-count").textContent = `${wireCount} messages`;
  const binary = typeof wire !== "string";
  const line = element("li");
  line.dataset.sent = sent;
  const text = binary ? JSON.stringify(message) : wire;
  line.append(
    element("span", "way", sent ? "↑" : "↓"),
    element("span", "hidden", sent ? "sent" : "received"),
    element("code", "", text.length > mostText ? `${text.slice(0, mostText)}…` : text),
  );
  if (binary) line.append(element("span", "mark", `${wire.length} bytes of Protobuf`));
  add($("wire"), line, mostWire);
}
