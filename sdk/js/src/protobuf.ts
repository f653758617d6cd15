// Protocol buffers as far as this protocol needs them: no groups, no packed and no
// negative numbers. Numbers are JavaScript's, exact below 2^53. Fields that a
// table does not have are passed over.

/** What a field holds: number, boolean, JSON text, data, or a map of text; otherwise text or a message. */
type Kind = "u" | "b" | "j" | "d" | "m" | "";

interface Field {
  name: string;
  kind: Kind;
  /** Decoded as its zero value when it is absent. */
  always: boolean;
  /** The name of its table, for a message; otherwise empty. */
  of: string;
  list: boolean;
}

/**
 * Fields of each message, in the order of their numbers from 1 on, as text:
 * name, "!" for one that is always there, its kind, "@" and the table of a message, "*"
 * for a list. "Pair" is an entry of a map. Data is JSON text unless the message has a content_type.
 */
export type Tables = Record<string, string>;

type Values = Record<string, unknown>;

export interface Protobuf {
  /** Encodes the members of value that the table has; absent and zero ones are left out. */
  encode(table: string, value: Values): Uint8Array;
  /** Decodes one message. Throws an Error when b is none. */
  decode(table: string, b: Uint8Array): Values;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function concat(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

export function protobuf(tables: Tables): Protobuf {
  const parsed: Record<string, Field[]> = {};
  const fields = (table: string): Field[] =>
    (parsed[table] ??= (tables[table]!.match(/\S+/g) ?? []).map((text) => {
      const [, name, always, kind, of, list] = /(\w+)(!?):?(\w?)@?(\w*)(\*?)/.exec(text)!;
      return { name: name!, kind: kind as Kind, always: !!always, of: of!, list: !!list };
    }));

  const encode = (table: string, value: Values): Uint8Array => {
    const out: Uint8Array[] = [];
    fields(table).forEach(({ name, kind, of, list }, i) => {
      const v = value[name];
      if (v === undefined) return;
      for (const item of list ? (v as unknown[]) : kind === "m" ? Object.entries(v as Values) : [v]) {
        if (kind === "u" || kind === "b") {
          if (item) out.push(varint(i * 8 + 8), varint(Number(item)));
          continue;
        }
        const bytes =
          kind === "m" ? encode("Pair", { key: (item as string[])[0], value: (item as string[])[1] })
          : of ? encode(of, item as Values)
          : kind === "d" && item instanceof Uint8Array ? item
          : encoder.encode(kind ? JSON.stringify(item) : (item as string));
        // A message that is present and empty differs from an absent one.
        if (bytes.length || of) out.push(prefix(i * 8 + 10, bytes));
      }
    });
    return concat(out);
  };

  const decode = (table: string, b: Uint8Array): Values => {
    const value: Values = {};
    for (let at = 0, key; at < b.length; ) {
      [key, at] = number(b, at);
      const wire = key % 8;
      const field = fields(table)[(key - wire) / 8 - 1];
      let n = wire === 1 ? 8 : wire === 5 ? 4 : NaN;
      if (wire === 0 || wire === 2) [n, at] = number(b, at);
      const start = at;
      if (wire) at += n;
      if (!(n >= 0 && at <= b.length)) throw new Error("protobuf: bad or cut off");
      if (field) take(value, field, wire ? b.subarray(start, at) : n);
    }
    finish(fields(table), value);
    return value;
  };

  const take = (value: Values, { name, kind, of, list }: Field, v: Uint8Array | number): void => {
    if ((kind === "u" || kind === "b") !== (typeof v === "number")) throw new Error(`protobuf: type of ${name}`);
    if (typeof v === "number") value[name] = kind === "b" ? v > 0 : v;
    else if (kind === "m") {
      const { key, value: text } = decode("Pair", v);
      ((value[name] ??= {}) as Values)[key as string] = text;
    } else {
      const item = of ? decode(of, v) : kind ? v : decoder.decode(v);
      if (list) ((value[name] ??= []) as unknown[]).push(item);
      else value[name] = item;
    }
  };

  return { encode, decode };
}

/** Fills in what is absent, and reads JSON where bytes hold it. */
function finish(fields: Field[], value: Values): void {
  for (const { name, kind, list, always } of fields) {
    const v = value[name];
    const bytes = kind === "d" && value.content_type;
    if (v === undefined) {
      if (always || bytes) value[name] = bytes ? new Uint8Array() : list ? [] : kind === "b" ? false : kind ? 0 : "";
    } else if (kind === "j" || (kind === "d" && !bytes)) {
      value[name] = JSON.parse(decoder.decode(v as Uint8Array));
    }
  }
}

/** Encodes a whole number from 0 to 2^53-1. */
export function varint(n: number): Uint8Array {
  const out = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return Uint8Array.of(...out, n);
}

const prefix = (key: number, bytes: Uint8Array) => concat([varint(key), varint(bytes.length), bytes]);

/** Decodes a varint at b[at] and returns it with the index behind it. It is NaN when b ends before it does. */
function number(b: Uint8Array, at: number): [n: number, at: number] {
  let n = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = b[at++] ?? NaN;
    n += (byte & 127) * scale;
    if (byte < 128) return [n, at];
    if (!(byte > 0) || scale > 2 ** 62) return [NaN, at];
  }
}

/** Returns a function that takes the pieces of a stream and returns the messages, each prefixed by its length, that a piece completes. */
export function prefixed(): (piece: Uint8Array) => Uint8Array[] {
  let rest = new Uint8Array();
  return (piece) => {
    const b = concat([rest, piece]);
    const whole: Uint8Array[] = [];
    let done = 0;
    for (;;) {
      const [n, start] = number(b, done);
      if (!(start + n <= b.length)) break;
      whole.push(b.subarray(start, (done = start + n)));
    }
    rest = b.slice(done);
    return whole;
  };
}
