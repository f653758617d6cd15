import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { codecs, takeBatch } from "../dist/codec.js";
import { protobuf, varint } from "../dist/protobuf.js";
import { tables } from "../dist/schema.js";

const pb = protobuf(tables);
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));

// The tables say what protocol.proto says: the same fields, under the same numbers.
test("tables are those of the schema", () => {
  const proto = readFileSync(new URL("../../../protocol/native/nativepb/protocol.proto", import.meta.url), "utf8");
  const messages = {};
  let name;
  for (const line of proto.split("\n")) {
    const message = /^message (\w+) \{(\})?/.exec(line);
    if (message) messages[(name = message[1])] = [];
    const field = /^\s+(?:(optional|repeated) )?([\w.]+|map<string, string>) (\w+) = (\d+);/.exec(line);
    if (field) messages[name][field[4] - 1] = { name: field[3], type: field[2], list: field[1] === "repeated" };
  }
  const ours = { Result: "SubscribeResult", Change: "PresenceChange" };
  const kinds = { uint64: "u", uint32: "u", int64: "u", bool: "b", string: "", "map<string, string>": "m" };
  for (const [table, text] of Object.entries(tables)) {
    if (table === "Pair") continue;
    const fields = messages[ours[table] ?? table];
    assert.ok(fields, `${table} is no message of the schema`);
    const got = text.split(" ").filter(Boolean);
    assert.equal(got.length, fields.length, `number of fields of ${table}`);
    got.forEach((entry, i) => {
      const [, ourName, kind, of, list] = /^(\w+)!?:?(\w?)@?(\w*)(\*?)$/.exec(entry.replace(/!(\w)/, "!:$1"));
      const want = fields[i];
      assert.equal(ourName, want.name, `field ${i + 1} of ${table}`);
      assert.equal(!!list, want.list, `${table}.${ourName} is a list`);
      if (of) assert.ok(["PresenceCount", "Ping"].includes(want.type) || (ours[of] ?? of) === want.type, `${table}.${ourName} is a ${of}`);
      else if (want.type === "bytes") assert.ok("jd".includes(kind), `${table}.${ourName} is bytes`);
      else assert.equal(kind, kinds[want.type], `kind of ${table}.${ourName}`);
    });
  }
});

test("numbers", () => {
  for (const [n, bytes] of [[0, "00"], [127, "7f"], [128, "8001"], [300, "ac02"], [2 ** 32, "8080808010"], [2 ** 53 - 1, "ffffffffffffff0f"]]) {
    assert.equal(hex(varint(n)), bytes);
    const position = pb.decode("Position", new Uint8Array([0x10, ...varint(n)]));
    assert.deepEqual(position, { epoch: "", offset: n });
  }
});

const publication = {
  channel: "news",
  epoch: "e",
  offset: 3,
  prev: 1,
  time: 1795400153739,
  id: "a",
  key: "k",
  tags: { a: "b", c: "" },
  data: { text: "schön", n: [1, null] },
};

test("both encodings of a publication decode to the same", () => {
  const json = codecs.json.decode(JSON.stringify({ publication }));
  const bytes = pb.encode("Event", { publication });
  assert.deepEqual(codecs.protobuf.decode(bytes), { ...json });
  assert.deepEqual(json, { publication });
});

test("bytes are bytes in both encodings", () => {
  const data = Uint8Array.of(0, 1, 255);
  const text = codecs.json.encode({ id: 1, publish: { channel: "c", data, content_type: "a/b" } });
  assert.deepEqual(JSON.parse(text), { id: 1, publish: { channel: "c", base64: "AAH/", content_type: "a/b" } });
  const decoded = codecs.json.decode('{"message":{"base64":"AAH/","content_type":"a/b"}}');
  assert.deepEqual(decoded.message, { data, contentType: "a/b" });
  const same = codecs.protobuf.decode(pb.encode("Event", { message: { data, content_type: "a/b" } }));
  assert.deepEqual(same.message, { data, contentType: "a/b" });
  const empty = codecs.protobuf.decode(pb.encode("Event", { message: { content_type: "a/b" } }));
  assert.deepEqual(empty.message, { data: new Uint8Array(), contentType: "a/b" });
});

test("a reply is one in both encodings", () => {
  const event = { id: 7, subscribe: { position: { epoch: "e", offset: 0 }, recovered: false, reason: "trimmed" } };
  const bytes = unhex("0a14" + "0807" + "2210" + "0a030a0165" + "1000" + "1a07" + hex(Buffer.from("trimmed")));
  assert.deepEqual(codecs.json.decode(JSON.stringify(event)), event);
  assert.deepEqual(codecs.protobuf.decode(bytes), event);
});

test("every prefix of a message is refused, or is one", () => {
  const bytes = pb.encode("Event", { publication });
  for (let n = 1; n < bytes.length; n++) {
    assert.throws(() => codecs.protobuf.decode(bytes.subarray(0, n)), `${n} bytes`);
  }
  for (const bad of ["0a", "0b", "08ffffffffffffffffffffff01", "0aff01", "0d00", "0900000000", "1203220161", "120201ff"]) {
    assert.throws(() => codecs.protobuf.decode(unhex(bad)), bad);
  }
});

test("random bytes are decoded or refused, and take no time", () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647);
  const bytes = pb.encode("Event", { publication });
  for (let i = 0; i < 20_000; i++) {
    const b = i % 2 ? Uint8Array.from(bytes) : Uint8Array.from({ length: random() % 40 }, random);
    if (i % 2) b[random() % b.length] = random();
    try {
      codecs.protobuf.decode(b);
    } catch (err) {
      assert.ok(err instanceof Error && !(err instanceof RangeError), String(err));
    }
  }
});

test("unknown fields are passed over", () => {
  const more = "980601" + "aa060161" + "b90600000000000000fd" + "bd0600000000"; // one of each wire type
  const bytes = new Uint8Array([...pb.encode("Position", { epoch: "e", offset: 1 }), ...unhex(more)]);
  assert.deepEqual(pb.decode("Position", bytes), { epoch: "e", offset: 1 });
});

test("a stream is the same wherever it is cut", () => {
  const one = pb.encode("Event", { publication });
  const two = pb.encode("Event", { message: { data: "x".repeat(200) } });
  const whole = new Uint8Array([...varint(one.length), ...one, 0, ...varint(two.length), ...two]);
  const text = new TextEncoder().encode('{"message":{"data":"ä"}}\n\n{"message":{"data":2}}\n');
  for (let n = 0; n <= whole.length; n++) {
    const cut = codecs.protobuf.stream();
    const got = [...cut(whole.subarray(0, n)), ...cut(whole.subarray(n))];
    assert.deepEqual(got.map(hex), [hex(one), hex(two)], `cut at ${n}`);
  }
  for (let n = 0; n <= text.length; n++) {
    const cut = codecs.json.stream();
    const got = [...cut(text.subarray(0, n)), ...cut(text.subarray(n))];
    assert.deepEqual(got, ['{"message":{"data":"ä"}}', '{"message":{"data":2}}'], `cut at ${n}`);
  }
});

test("batches keep the limits of a message", () => {
  const queue = [...Array(200).fill("x"), "y".repeat(40_000), "z".repeat(40_000)];
  const sizes = [];
  while (queue.length) sizes.push(takeBatch(queue).length);
  assert.deepEqual(sizes, [128, 72, 1, 1]);
});

// Drops what is absent in one encoding and zero in the other.
function strip(v) {
  if (v instanceof Uint8Array) return hex(v);
  if (Array.isArray(v)) return v.map(strip);
  if (v === null || typeof v !== "object") return v;
  const out = {};
  for (const [name, item] of Object.entries(v)) {
    if (item === 0 || item === "" || item === false || item === undefined) continue;
    if (Array.isArray(item) && !item.length) continue;
    out[name] = name === "data" || name === "info" ? item : strip(item);
    if (item instanceof Uint8Array) out[name] = hex(item);
  }
  return out;
}

function command(text) {
  const { id, ...rest } = JSON.parse(text);
  const [name, body] = Object.entries(rest)[0];
  if (body.base64 !== undefined) {
    body.data = new Uint8Array(Buffer.from(body.base64, "base64"));
    delete body.base64;
  }
  return { id, [name]: body };
}

// The vectors that every client's tests read. Whoever makes them checks them in Go.
const vectors = new URL("../../../protocol/native/testdata/vectors/", import.meta.url);
test("vectors", { skip: !existsSync(fileURLToPath(vectors)) && "the vectors are not there" }, () => {
  const files = readdirSync(vectors).filter((f) => f.endsWith(".json"));
  assert.ok(files.length > 0);
  for (const file of files) {
    for (const v of [JSON.parse(readFileSync(new URL(file, vectors), "utf8"))].flat()) {
      const bytes = unhex(v.protobuf);
      const json = typeof v.json === "string" ? v.json : JSON.stringify(v.json);
      if (v.direction === "server" || v.direction === "event") {
        assert.deepEqual(strip(codecs.protobuf.decode(bytes)), strip(codecs.json.decode(json)), v.name);
      } else {
        const [want, got] = [pb.decode("Commands", bytes), pb.decode("Commands", codecs.protobuf.encode(command(json)))];
        assert.deepEqual(got, want, v.name);
        assert.deepEqual(command(codecs.json.encode(command(json))), command(json), v.name);
      }
    }
  }
});
