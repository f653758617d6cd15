import type { Encoding, Wire } from "./codec.js";
import type { Again, CommandOptions, Done } from "./commands.js";
import { newCommands } from "./commands.js";
import type { Connection, State } from "./connection.js";
import { newConnection } from "./connection.js";
import type { Listening } from "./emitter.js";
import { emitter } from "./emitter.js";
import { poll, sse, stream } from "./http.js";
import type {
  Command, Connected, Data, HistoryPage, Message, Position, PresenceCounted, PresencePage, Published, ServerEvent,
} from "./messages.js";
import type { Subscriber, SubscribeOptions, Subscription, Target } from "./subscription.js";
import { newSubscriber } from "./subscription.js";
import type { Transport } from "./transport.js";
import { websocket } from "./websocket.js";

export type TransportName = "websocket" | "sse" | "stream" | "poll";

export interface Options {
  /** Default: "json". Over sse it is always "json". */
  encoding?: Encoding;
  /** What to try, in this order. Default: all, WebSocket first. */
  transports?: (TransportName | Transport)[];
  /** JSON that presence shows about this client. */
  info?: unknown;
  /** A constructor compatible with the browsers' WebSocket, for platforms that have none. */
  WebSocket?: new (url: string, protocol: string) => WebSocket;
}

export interface ClientEvents {
  state: State;
  /** An attempt begins. */
  connecting: { transport: string };
  /** client is this client's public name; resumed says that the server knew its session. */
  connected: { client: string; node: string; resumed: boolean; transport: string };
  /** A connection or an attempt has ended. after: milliseconds until the next attempt; undefined when there is none. */
  disconnected: { code: number; reason: string; after: number | undefined };
  /** A message to this client alone. */
  message: Message;
  /**
   * The server has subscribed this client of its own accord. The subscription is one like
   * others; without a listener what comes in it is dropped.
   */
  subscribed: Subscription;
  /** A message as it passes, for tools: in its form on the wire, and decoded. */
  wire: { sent: boolean; wire: Wire; message: Command | ServerEvent };
}

export interface PublishOptions extends CommandOptions {
  /** Idempotency key and name of the message. Default: a random one, so that trying again publishes once. */
  id?: string;
  /** Key of the thing that the message is about; a slow subscriber may get only the last of each. */
  key?: string;
  tags?: Record<string, string>;
  /** Media type of data that is a Uint8Array. Default: application/octet-stream. */
  contentType?: string;
  /** Publish only if this is the position of the channel's last publication. */
  expect?: Position;
  /** Do not send it to this client's own subscription. */
  excludeSelf?: boolean;
}

export interface HistoryOptions extends CommandOptions {
  /** Forward: what lies behind it. Reverse: what lies up to it. Default: from the end where the direction begins. */
  from?: Position;
  /** How many publications at most. Default: the server's. */
  limit?: number;
  reverse?: boolean;
}

export interface PresenceOptions extends CommandOptions {
  /** The last client of the page before. */
  after?: string;
  limit?: number;
}

/** The initial subscriptions that do not fit into so much JSON are asked for later. */
const MOST_HELLO = 3_000;

/**
 * A client of a Ropewalk server. Commands wait for a connection; those that can be
 * repeated without harm are sent again when their answer was lost with one.
 */
export class Ropewalk implements Listening<ClientEvents> {
  /** Has listener called at each event of the name. The function it returns ends that. */
  readonly on: Listening<ClientEvents>["on"];
  #connection: Connection;
  #commands = newCommands();
  #subscribers = new Map<string, Subscriber>();
  #state: State = "disconnected";

  /** url is the server's address, such as https://example.com; paths are added to it. */
  constructor(url: string | URL, { encoding = "json", transports, info, WebSocket }: Options = {}) {
    const { on, emit } = emitter<ClientEvents>();
    const commands = this.#commands;
    const subscribers = this.#subscribers;
    let asked: Subscriber[] = []; // with the last connect
    const known: Record<TransportName, Transport> = { websocket: websocket(WebSocket), sse, stream, poll };


    const set = (state: State) => {
      if (this.#state === state) return;
      this.#state = state;
      emit("state", state);
    };

    this.on = on;
    this.#connection = newConnection(
      {
        hello(session) {
          let room = MOST_HELLO - (JSON.stringify(info) ?? "").length;
          asked = [...subscribers.values()].filter((s) => (room -= JSON.stringify(s.request()).length) >= 0);
          return { id: commands.nextId(), connect: { session, subscriptions: asked.map((s) => s.request()), info } };
        },
        connecting(transport) {
          set("connecting");
          emit("connecting", { transport });
        },
        connected({ subscriptions, client, node, resumed }: Connected, transport) {
          const all = new Set([...asked, ...subscribers.values()]); // what listeners add asks for itself
          commands.open((list) => connection.send(list));
          set("connected");
          emit("connected", { client, node, resumed: resumed ?? false, transport });
          for (const s of all) {
            const answer = subscriptions?.[asked.indexOf(s)];
            if (answer) s.begin(answer);
            else s.ask();
          }
        },
        event: (event) => {
          const { id, message, publication, skip, subscribed, unsubscribed, join, leave } = event;
          if (id) commands.reply(event);
          else if (message) emit("message", message);
          else {
            const target = publication ?? skip ?? subscribed ?? unsubscribed ?? join ?? leave;
            if (!target) return;
            const key = keyOf(target);
            if (subscribed && !subscribers.has(key) && !emit("subscribed", this.#make(subscribed).subscription)) subscribers.delete(key);
            subscribers.get(key)?.push(event);
          }
        },
        disconnected(code, reason, after) {
          commands.lost(after === undefined);
          for (const s of subscribers.values()) s.lost();
          set(after === undefined ? "disconnected" : "connecting");
          emit("disconnected", { code, reason, after });
        },
        probe: () => commands.run("ping", {}, () => {}, {}, "never"),
        wire: (sent, wire, message) => emit("wire", { sent, wire, message }),
      },
      String(url).replace(/^ws/, "http").replace(/\/+$/, ""),
      encoding,
      (transports ?? (Object.keys(known) as TransportName[])).map((t) => (typeof t === "string" ? known[t] : t)),
    );
    const connection = this.#connection;
  }

  get state(): State {
    return this.#state;
  }

  /** Connects, and comes back after every end but disconnect and one that the server calls final. */
  connect(): void {
    for (const name of networkEvents) globalThis.addEventListener?.(name, this.#connection.hurry);
    this.#connection.open();
  }

  /** Closes the connection. Subscriptions stay, and go on where they were after the next connect. */
  disconnect(): void {
    for (const name of networkEvents) globalThis.removeEventListener?.(name, this.#connection.hurry);
    this.#connection.close();
  }

  /**
   * Subscribes to a channel, now or when there is a connection. Throws an Error when
   * there is a subscription to it already.
   */
  subscribe(channel: string, options?: SubscribeOptions): Subscription {
    return this.#subscribe({ channel }, options);
  }

  /**
   * Subscribes to all channels whose names match: "*" stands for any characters but
   * ".", "**" for any. Nothing is recovered for it.
   */
  subscribePattern(pattern: string, options?: Omit<SubscribeOptions, "from" | "latest">): Subscription {
    return this.#subscribe({ pattern }, options);
  }

  #subscribe(target: Partial<Target>, options?: SubscribeOptions): Subscription {
    if (this.#subscribers.has(keyOf(target))) throw new Error(`subscribed to ${target.pattern ?? target.channel} already`);
    const s = this.#make(target, options);
    if (this.#state === "connected") s.ask();
    return s.subscription;
  }

  #make({ channel, pattern }: Partial<Target>, options: SubscribeOptions = {}): Subscriber {
    const target = { channel, pattern };
    const key = keyOf(target);
    const subscribers = this.#subscribers;
    const s = newSubscriber(
      {
        connected: () => this.#state === "connected",
        run: (name, body, done) => this.#commands.run(name, body, done, {}, "never"),
        forget: () => subscribers.get(key) === s && subscribers.delete(key),
      },
      target,
      options,
    );
    subscribers.set(key, s);
    return s;
  }

  /** Publishes a JSON value, or the bytes of a Uint8Array. */
  publish(channel: string, data: Data, options: PublishOptions = {}): Promise<Published> {
    const { id = randomId(), key, tags, expect, excludeSelf } = options;
    const body = { channel, ...content(data, options), id, key, tags, expect, exclude_self: excludeSelf };
    return this.#run("publish", body, options);
  }

  /** Returns one page of what the channel keeps. */
  history(channel: string, options: HistoryOptions = {}): Promise<HistoryPage> {
    const { from, limit, reverse } = options;
    return this.#run("history", { channel, from, limit, reverse }, options);
  }

  /** Returns one page of those who are subscribed to the channel. */
  presence(channel: string, options: PresenceOptions = {}): Promise<PresencePage> {
    const { after, limit } = options;
    return this.#run("presence", { channel, after, limit }, options);
  }

  /** Returns how many are subscribed to the channel. */
  presenceCount(channel: string, options?: CommandOptions): Promise<PresenceCounted> {
    return this.#run("presence_count", { channel }, options);
  }

  /** Calls a method of the server with a JSON value or bytes. It is not repeated when the answer was lost. */
  rpc(method: string, data: Data = null, options: CommandOptions & { contentType?: string } = {}): Promise<Message> {
    return this.#run("rpc", { method, ...content(data, options) }, options, "unsent");
  }

  /** Gives the server a new token, and returns when that ends, in milliseconds since 1970 UTC. */
  refresh(token: string, options?: CommandOptions): Promise<{ expires: number }> {
    return this.#run("refresh", { token }, options);
  }

  /** Returns the time to the server and back, in milliseconds. It rejects when the connection ends. */
  async ping(options?: CommandOptions): Promise<number> {
    const start = performance.now();
    await this.#run("ping", {}, options, "never");
    return performance.now() - start;
  }

  #run(name: string, body: object, options?: CommandOptions, again?: Again): Promise<never> {
    return new Promise((resolve, reject) => {
      const done: Done = (error, answer) => (error ? reject(error) : resolve(answer as never));
      this.#commands.run(name, body, done, options, again);
    });
  }
}

/** What a browser tells about its network: a reason to look at the connection. */
const networkEvents = ["online", "offline"];

/** What a message carries, as commands have it. */
function content(data: Data, { contentType = "application/octet-stream" }: { contentType?: string }) {
  return data instanceof Uint8Array ? { data, content_type: contentType } : { data };
}

/** A push of a pattern's subscription carries the pattern beside the channel. */
function keyOf({ channel, pattern }: Partial<Target>): string {
  return pattern ? `p${pattern}` : `c${channel}`;
}

function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
