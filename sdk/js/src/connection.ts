import { backoff } from "./backoff.js";
import type { Codec, Encoding, Wire } from "./codec.js";
import { codecs, takeBatch } from "./codec.js";
import type { Command, Connected, Disconnect, ServerEvent } from "./messages.js";
import type { Link, Transport } from "./transport.js";
import { ABNORMAL, PATIENCE } from "./transport.js";

export type State = "disconnected" | "connecting" | "connected";

/** What a connection asks and tells its owner. */
export interface Owner {
  /** Returns the command to connect with. */
  hello(session: string | undefined): Command;
  connecting(transport: string): void;
  connected(answer: Connected, transport: string): void;
  /** Called with each message but the answer to connect. */
  event(event: ServerEvent): void;
  /** A connection or an attempt has ended; after is when the next one begins, in milliseconds. */
  disconnected(code: number, reason: string, after: number | undefined): void;
  /** Sends a ping: the connection has been silent. */
  probe(): void;
  wire(sent: boolean, wire: Wire, message: Command | ServerEvent): void;
}

/** Keeps one connection: chooses its transport, watches it, and comes back. */
export interface Connection {
  open(): void;
  close(): void;
  /** Tries at once what would be tried later, or finds out whether the connection still lives. */
  hurry(): void;
  /** Sends as many commands as one message may have in each. */
  send(commands: Command[]): void;
}

/** How long a connection may be silent when the server does not say, in milliseconds. */
const SILENCE = 25_000;

/** A connection that lives so long was a good one: the next failure is the first, in milliseconds. */
const SETTLED = 5_000;

/** Codes of the client's own, from the range that the protocol leaves to it. */
const NO_ANSWER = 4900;
const BAD_EVENT = 4901;

export function newConnection(owner: Owner, url: string, encoding: Encoding, all: Transport[]): Connection {
  const transports = all.filter((t) => t.usable);
  let wanted = false;
  let next = 0; // index of the transport to try
  let proven = false; // that transport has worked
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined; // for the next attempt, or to watch the current one
  let session: string | undefined; // to resume

  // Of the current attempt, and the connection that becomes of it.
  let turn = 0; // which one it is
  let codec: Codec | undefined; // undefined while there is none
  let link: Link | undefined;
  let heard = 0; // when the server was last heard, as Date.now has it
  let probed = false; // it was asked for a sign of life since
  let since = 0; // when it was connected, 0 before
  let silence = SILENCE; // how long it may be silent, in milliseconds
  let advice: Disconnect | undefined;

  const hear = () => {
    heard = Date.now();
    probed = false;
  };

  const later = (action: () => void, ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };

  const attempt = () => {
    const transport = transports[next];
    if (!transport) throw new Error("no transport works here");
    const mine = ++turn;
    const connect = owner.hello(session);
    const end = (code: number, reason: string) => mine === turn && ended(code, reason);
    const mineCodec = (codec = codecs[transport.encoding ?? encoding]);
    since = 0;
    later(() => end(NO_ANSWER, "no answer to connect"), PATIENCE);
    owner.connecting(transport.name);
    if (mine !== turn) return; // given up by a listener
    owner.wire(true, mineCodec.encode(connect), connect);
    try {
      link = transport.open({
        url,
        codec,
        connect,
        session: () => (since ? session! : ""),
        receive: (wire) => mine === turn && receive(transport.name, wire),
        alive: hear,
        ended: end,
      });
    } catch (err) {
      end(ABNORMAL, String(err));
    }
  };

  const receive = (transport: string, wire: Wire) => {
    hear();
    let event: ServerEvent;
    try {
      event = codec!.decode(wire);
    } catch (err) {
      ended(BAD_EVENT, `bad message: ${err}`);
      return;
    }
    owner.wire(false, wire, event);
    const { id, connect, error, disconnect } = event;
    if (disconnect) {
      advice = disconnect;
      ended(advice.code, advice.reason);
    } else if (since || !id) {
      owner.event(event); // the first reply is that to connect
    } else if (connect) {
      since = heard;
      session = connect.session;
      proven = true;
      silence = connect.ping || SILENCE;
      watch();
      owner.connected(connect, transport);
    } else {
      const { message: reason = "", retry = false } = error ?? {};
      advice = { code: NO_ANSWER, reason, retry };
      ended(NO_ANSWER, reason);
    }
  };

  // Asks for a sign of life when there was none for a while: a browser does not show a WebSocket's pings.
  const watch = (most = silence) => {
    const left = heard + most - Date.now();
    if (left > 0) {
      later(watch, left);
      return;
    }
    probed = true;
    later(() => (probed ? ended(NO_ANSWER, "the server is silent") : watch()), PATIENCE);
    owner.probe();
  };

  const drop = () => {
    clearTimeout(timer);
    turn++;
    link?.close();
    link = codec = undefined;
  };

  const ended = (code: number, reason: string) => {
    drop();
    const last = advice ? !advice.retry : code >= 4100 && code < 4200;
    const after = last ? undefined : delay();
    advice = undefined;
    if (after !== undefined) later(attempt, after);
    else {
      wanted = false;
      session = undefined;
    }
    owner.disconnected(code, reason, after);
  };

  // Says when to try again, in milliseconds, and chooses the transport for it.
  const delay = (): number => {
    if (since && Date.now() - since >= SETTLED) failures = 0;
    const after = advice?.after;
    const wait = after !== undefined && !failures ? after : Math.max(after ?? 0, backoff(failures));
    if (!since) {
      // A transport that worked before gets a second chance; what a network does not
      // let through is not waited for.
      const isLast = next === transports.length - 1;
      if (!proven || failures > 1) next = isLast ? 0 : next + 1;
      if (!proven && !isLast && !advice) return 0;
    }
    failures++;
    return wait;
  };

  return {
    open() {
      if (wanted) return;
      wanted = true;
      failures = 0;
      attempt();
    },
    close() {
      if (!wanted) return;
      wanted = false;
      session = undefined;
      drop();
      owner.disconnected(1000, "disconnected", undefined);
    },
    hurry() {
      if (wanted && !codec) attempt();
      else if (link && since) watch(0);
    },
    send(commands) {
      if (!link || !since) return;
      const wires = commands.map((command) => {
        const wire = codec!.encode(command);
        owner.wire(true, wire, command);
        return wire;
      });
      while (wires.length) link.send(takeBatch(wires));
    },
  };
}
