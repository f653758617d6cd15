import type { Command, ServerEvent } from "./messages.js";
import { concat, prefixed, protobuf as make } from "./protobuf.js";
import { tables } from "./schema.js";

/** What goes over the wire: text in JSON, bytes in Protobuf. */
export type Wire = string | Uint8Array;

/** Between messages and their form on the wire. */
export interface Codec {
  name: Encoding;
  contentType: string;
  encode(command: Command): Wire;

  /** Makes one message of commands that were encoded one by one. */
  join(commands: Wire[]): Wire;

  /** Decodes one WebSocket message. Throws an Error when it is none of the protocol. */
  decode(wire: Wire): ServerEvent;

  /** Takes the answer to a poll apart. */
  batch(body: Uint8Array): Wire[];

  /** Returns a function that takes the pieces of a streamed body and returns the events that each completes. */
  stream(): (piece: Uint8Array) => Wire[];
}

export type Encoding = "json" | "protobuf";

const json: Codec = {
  name: "json",
  contentType: "application/json",

  encode(command) {
    const { id, ...rest } = command;
    const [name, body] = Object.entries(rest)[0] as [string, Record<string, unknown>];
    return JSON.stringify({ id, [name]: body.data instanceof Uint8Array ? { ...body, data: undefined, base64: toBase64(body.data) } : body });
  },

  join: (commands) => (commands.length === 1 ? commands[0]! : `[${commands.join()}]`),

  decode(wire) {
    return unwrap(JSON.parse(wire as string));
  },

  batch: (body) => JSON.parse(new TextDecoder().decode(body)).map((event: unknown) => JSON.stringify(event)),
  stream: () => lines((line) => (line ? [line] : [])), // an empty one is a sign of life
};

const { encode, decode } = make(tables);

const protobuf: Codec = {
  name: "protobuf",
  contentType: "application/x-protobuf",
  encode: (command) => encode("Commands", { commands: [command] }),
  join: (commands) => concat(commands as Uint8Array[]), // a repeated field goes on where it stopped

  decode(wire) {
    const { reply, ...event } = decode("Event", wire as Uint8Array);
    return unwrap((reply ?? event) as ServerEvent);
  },

  batch: (body) => prefixed()(body),
  stream() {
    const messages = prefixed();
    return (piece) => messages(piece).filter((m) => m.length);
  },
};

export const codecs: Record<Encoding, Codec> = { json, protobuf };

/** Limits of a message of commands; a command may be longer alone. */
const MOST_COMMANDS = 128;
const MOST_BYTES = 48 << 10;

/** Takes as many commands from the beginning of the queue as one message may have. */
export function takeBatch(queue: Wire[]): Wire[] {
  let bytes = 0;
  let n = 0;
  for (const wire of queue.slice(0, MOST_COMMANDS)) {
    bytes += wire.length * 3; // what text may take for each of its UTF-16 units
    if (n && bytes > MOST_BYTES) break;
    n++;
  }
  return queue.splice(0, n);
}

/** Gives what carries data the shape that it has in this package. */
function unwrap(event: ServerEvent): ServerEvent {
  const page = event.history as { publications?: unknown[] } | undefined;
  for (const carrier of [event.publication, event.message, event.rpc, ...(page?.publications ?? [])]) {
    const c = carrier as Record<string, unknown> | undefined;
    if (!c?.content_type) continue;
    c.contentType = c.content_type;
    if (c.base64 !== undefined) c.data = fromBase64(c.base64 as string);
    delete c.content_type;
    delete c.base64;
  }
  return event;
}

/** Returns a function that cuts pieces of UTF-8 into lines and gathers what take makes of each. */
export function lines(take: (line: string) => string[]): (piece: Uint8Array) => string[] {
  const decoder = new TextDecoder();
  let rest = "";
  return (piece) => {
    const whole = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = whole.pop()!;
    return whole.flatMap((line) => take(line.replace(/\r$/, "")));
  };
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const b of bytes) text += String.fromCharCode(b);
  return btoa(text);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
