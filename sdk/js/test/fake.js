// A transport whose server is the test, and time that the test moves.
import { mock } from "node:test";

/** Begins faked time, in which Math.random is 0.5, and returns how to move it. */
export function fakeTime(t) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  t.mock.method(Math, "random", () => 0.5);
  t.after(() => mock.timers.reset());
  return async (ms) => {
    mock.timers.tick(ms);
    await settle();
  };
}

/** Lets everything happen that needs no time. */
export async function settle() {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

/** A transport that records what it is given; connections[i] is its i-th. */
export function fakeTransport(name = "fake") {
  const connections = [];
  return {
    name,
    usable: true,
    connections,
    get last() {
      return connections.at(-1);
    },
    open({ codec, connect, receive, alive, ended }) {
      const connection = {
        connect: connect.connect,
        commands: [],
        closed: false,
        alive,
        end: (code = 1006, reason = "connection lost") => ended(code, reason),
        raw: receive,
        push: (event) => receive(JSON.stringify(event)),
        welcome: (more = {}) =>
          connection.push({
            id: connect.id,
            connect: { session: "n.s1", client: "c1", node: "n", resumed: false, ping: 25_000, ...more },
          }),
        /** Answers the first command of the name that is not answered yet, and returns its body. */
        answer: (name, body, error) => {
          const i = connection.commands.findIndex((c) => c[name]);
          if (i < 0) throw new Error(`no ${name} among ${JSON.stringify(connection.commands)}`);
          const [command] = connection.commands.splice(i, 1);
          connection.push(error ? { id: command.id, error } : { id: command.id, [name]: body });
          return command[name];
        },
        publish: (prev, offset, more = {}) =>
          connection.push({
            publication: { channel: "news", epoch: "e", offset, prev, time: 5, data: `m${offset}`, ...more },
          }),
      };
      connections.push(connection);
      return {
        send: (commands) => connection.commands.push(...commands.map((c) => JSON.parse(c))),
        close: () => (connection.closed = true),
      };
    },
  };
}

/** Records the events of the names in the order in which they come. */
export function record(emitter, ...names) {
  const events = [];
  for (const name of names) emitter.on(name, (event) => events.push([name, event]));
  return events;
}
