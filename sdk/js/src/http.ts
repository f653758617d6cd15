// The transports over plain HTTP: Server-Sent Events, a streamed answer, and long
// polling. What the server sends comes in answers; commands go in requests beside.
import type { Wire } from "./codec.js";
import { lines, takeBatch } from "./codec.js";
import type { Link, Transport, TransportOptions } from "./transport.js";
import { ABNORMAL, PATIENCE } from "./transport.js";

const usable = typeof fetch === "function";

/** How often a poll is asked again whose answer was lost, and milliseconds between, times the number. */
const POLL_RETRIES = 3;
const POLL_PAUSE = 500;

/** Asks for path with a body, or with commands beside what the server sends; throws an Error unless the answer is a good one. */
type Ask = (path: string, commands?: Wire[], headers?: Record<string, string>) => Promise<Response>;

export const sse: Transport = {
  name: "sse",
  encoding: "json",
  usable,
  open: (options) =>
    open(options, async (ask) => {
      const { id, connect } = options.connect;
      const { session, ...rest } = connect as { session?: string }; // which is a secret, and no part of an address
      const query = encodeURIComponent(JSON.stringify(rest));
      await read(await ask(`sse?id=${id}&connect=${query}`, undefined, session ? { "Ropewalk-Session": session } : {}), events(), options);
    }),
};

export const stream: Transport = {
  name: "stream",
  usable,
  open: (options) =>
    open(options, async (ask) => {
      const { codec, connect } = options;
      await read(await ask("stream", [codec.encode(connect)]), codec.stream(), options);
    }),
};

export const poll: Transport = {
  name: "poll",
  usable,
  open: (options) =>
    open(options, async (ask) => {
      const { codec, connect, session, receive, alive } = options;
      let body = [codec.encode(connect)];
      let batch = "";
      for (let failures = 0; ; ) {
        try {
          const answer = await ask("poll", body, batch ? { "Ropewalk-Batch": batch } : {});
          const wires = codec.batch(new Uint8Array(await answer.arrayBuffer()));
          batch = answer.headers.get("Ropewalk-Batch") ?? "";
          failures = 0;
          alive();
          wires.forEach(receive);
          body = [];
        } catch (err) {
          // An answer that was lost is given again.
          if ((err as { code?: number }).code || !session() || ++failures > POLL_RETRIES) throw err;
          await new Promise((resolve) => setTimeout(resolve, failures * POLL_PAUSE));
        }
      }
    }),
};

/** Cuts Server-Sent Events: the data of each is one line. */
const events = () => lines((line) => (line.startsWith("data:") ? [line.slice(5)] : []));

/** Passes on what comes in a body until its end, which is an error. */
async function read({ body }: Response, cut: (piece: Uint8Array) => Wire[], { alive, receive }: TransportOptions): Promise<void> {
  for (const reader = body!.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) throw new Error("ended");
    alive();
    cut(value).forEach(receive);
  }
}

/** Opens a connection over which receiving goes on until it throws, and commands are sent in order. */
function open({ url, codec, session, ended }: TransportOptions, receiving: (ask: Ask) => Promise<void>): Link {
  const abort = new AbortController();
  const queue: Wire[] = [];
  let sending = false;
  let timer: ReturnType<typeof setTimeout>;

  const ask: Ask = async (path, commands, headers) => {
    const secret = session();
    const answer = await fetch(`${url}/connection/${path}`, {
      method: commands ? "POST" : "GET",
      headers: {
        ...(commands && { "Content-Type": codec.contentType }),
        ...(secret && { "Ropewalk-Session": secret }),
        ...headers,
      },
      body: commands?.length ? (codec.join(commands) as BodyInit) : null,
      cache: "no-store",
      signal: abort.signal,
    });
    if (answer.ok) return answer;
    const { message } = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(message ?? `HTTP status ${answer.status}`), { code: answer.status });
  };

  const failed = (err: { code?: number; message?: string }) => {
    clearTimeout(timer);
    abort.abort();
    if (err.code) ended(err.code, err.message!);
    else ended(ABNORMAL, "connection lost");
  };

  receiving(ask).catch(failed);
  return {
    async send(commands) {
      queue.push(...commands);
      if (sending) return;
      sending = true;
      try {
        while (queue.length) {
          // One that hangs would hold back all others, and what is received tells nothing of it.
          timer = setTimeout(failed, PATIENCE, {});
          await ask("commands", takeBatch(queue));
          clearTimeout(timer);
        }
      } catch (err) {
        failed(err as Error);
      }
      sending = false;
    },
    close: () => abort.abort(),
  };
}
