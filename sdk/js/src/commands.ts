import { RopewalkError } from "./errors.js";
import type { Command, ServerEvent } from "./messages.js";

/** How a command is dealt with. */
export interface CommandOptions {
  /** Milliseconds to wait for its answer, being connected or not. Default: 30 000. */
  timeout?: number;
  /** Gives up waiting. The command may be carried out all the same. */
  signal?: AbortSignal;
}

/**
 * Whether a command outlives the connection: "always", for one that may be carried
 * out twice; "unsent", for one that may not; "never", for one about the
 * connection itself.
 */
export type Again = "always" | "unsent" | "never";

/**
 * Takes the answer to a command, or the error. It is called before the client sees the
 * server's next message, which may rest on what the answer says.
 */
export type Done = (error: RopewalkError | undefined, answer?: unknown) => void;

/** The commands that have no answer yet. They are sent in the order of their making. */
export interface Commands {
  /** The next id; they rise over all connections. */
  nextId(): number;
  /** Has a command sent, at once or as soon as there is a connection. */
  run(name: string, body: object, done: Done, options?: CommandOptions, again?: Again): void;
  /** Takes the connection that commands go to from now on. */
  open(send: (commands: Command[]) => void): void;
  /** The connection has ended: what may be sent again waits for the next one, unless there is none. */
  lost(final: boolean): void;
  reply(event: ServerEvent): void;
}

interface Waiting {
  name: string;
  body: object;
  again: Again;
  id?: number;
  settle: Done;
}

/** How many commands may wait for a connection or an answer. */
const MOST = 4_096;

export function newCommands(): Commands {
  let lastId = 0;
  let send: ((commands: Command[]) => void) | undefined;
  let flushing = false;
  const queue = new Set<Waiting>(); // to be sent
  const sent = new Map<number, Waiting>();

  const nextId = () => ++lastId;

  // Commands of one turn of the event loop go together.
  const flush = () => {
    if (flushing) return;
    flushing = true;
    queueMicrotask(() => {
      flushing = false;
      if (!send || !queue.size) return;
      const commands = [...queue].map((waiting) => {
        const id = (waiting.id = nextId());
        sent.set(id, waiting);
        return { id, [waiting.name]: waiting.body };
      });
      queue.clear();
      send(commands);
    });
  };

  return {
    nextId,
    run(name, body, done, { timeout = 30_000, signal } = {}, again = "always") {
      if (queue.size + sent.size >= MOST) {
        done(new RopewalkError("overflow", "too many commands wait", true));
        return;
      }
      const waiting: Waiting = {
        name,
        body,
        again,
        settle(error, answer) {
          clearTimeout(timer);
          signal?.removeEventListener("abort", abort);
          queue.delete(waiting);
          sent.delete(waiting.id!);
          done(error, answer);
        },
      };
      const abort = () => waiting.settle(new RopewalkError("aborted", `${name} was given up`));
      const timer = setTimeout(() => waiting.settle(new RopewalkError("timeout", `no answer to ${name}`, true)), timeout);
      queue.add(waiting);
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
      flush();
    },
    open(to) {
      send = to;
      flush();
    },
    lost(final) {
      send = undefined;
      const all = [...sent.values(), ...queue];
      sent.clear();
      queue.clear();
      for (const waiting of all) {
        if (!final && (waiting.again === "always" || (waiting.again === "unsent" && !waiting.id))) queue.add(waiting);
        else waiting.settle(new RopewalkError("disconnected", "connection lost", true));
      }
    },
    reply(event) {
      const { error } = event;
      const waiting = sent.get(event.id!);
      waiting?.settle(error && new RopewalkError(error.code, error.message, error.retry), event[waiting.name]);
    },
  };
}
