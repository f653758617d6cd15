import { backoff } from "./backoff.js";
import type { Done } from "./commands.js";
import type { Listening } from "./emitter.js";
import { emitter } from "./emitter.js";
import { RopewalkError } from "./errors.js";
import type {
  PresenceChange, Position, Publication, ServerEvent, Skip, Subscribed, SubscribeResult,
} from "./messages.js";

/**
 * "subscribing": not live, but meant to be; "recovering": live, while what was
 * missed comes in; "subscribed": live; "unsubscribed": ended for good.
 */
export type SubscriptionState = "subscribing" | "recovering" | "subscribed" | "unsubscribed";

/** The server's answer, each time that the subscription goes live. */
export interface Live {
  /** Where it begins: everything behind it follows. Absent for a pattern. */
  position?: Position;
  /**
   * Present when the subscription went on from a position. True: whatever was missed
   * follows. False: something may be lost, and reason says why: "epoch",
   * "trimmed" or "no_history".
   */
  recovered?: boolean;
  reason?: string;
}

/** The chain of positions broke: something is missing between the two. The client asks for it by itself. */
export interface Gap {
  last: Position;
  next: { epoch: string; prev: number; offset: number };
}

export interface SubscriptionEvents {
  publication: Publication;
  /** The server left publications out, and says why. */
  skip: Skip;
  join: PresenceChange;
  leave: PresenceChange;
  live: Live;
  /** All that was missed has come. */
  recovered: { position: Position };
  gap: Gap;
  state: SubscriptionState;
  /** The subscription has ended for good; the error says why when the server did it. */
  unsubscribed: RopewalkError | undefined;
}

type Listeners = {
  [Name in keyof SubscriptionEvents as `on${Capitalize<Name>}`]?: (event: SubscriptionEvents[Name]) => void;
};

export interface SubscribeOptions extends Listeners {
  /** Where to begin: behind this position. Default: now. */
  from?: Position;
  /** Begin with the latest so many publications instead. */
  latest?: number;
  /** Have joins and leaves told. Default: false. */
  joins?: boolean;
  /** How many publications may wait for a loop over the subscription before it ends with the error "overflow". Default: 10 000. */
  buffer?: number;
}

/**
 * A channel's publications, or those of all channels that match a pattern, each once
 * and in order per channel. It survives its connections: it goes on from the last
 * position and says whether anything was lost. Made by Ropewalk.subscribe.
 *
 * A loop over it takes the publications from its beginning on. It ends with the
 * subscription, with an error when the server ended that; leaving the loop leaves
 * the subscription alone.
 */
export interface Subscription extends Listening<SubscriptionEvents>, AsyncIterable<Publication> {
  /** Exactly one of channel and pattern is given. */
  readonly channel: string | undefined;
  readonly pattern: string | undefined;
  readonly state: SubscriptionState;
  /** That of the last publication that was seen, or where the subscription began. Absent for a pattern. */
  readonly position: Position | undefined;
  /** Ends the subscription. Nothing comes after the call. */
  unsubscribe(): void;
}

/** A subscription, and what the client does with it. */
export interface Subscriber {
  subscription: Subscription;
  /** Returns the body of the command that asks for it. */
  request(): object;
  /** Takes the answer to request. */
  begin(result: SubscribeResult): void;
  /** Asks for it again, on a connection that is there. */
  ask(): void;
  /** Takes a push for it. */
  push(event: ServerEvent): void;
  /** The connection has ended. */
  lost(): void;
}

/** What a subscription is to: either of the two. */
export interface Target {
  channel: string | undefined;
  pattern: string | undefined;
}

/** What a subscription needs of the client. */
export interface Host {
  connected(): boolean;
  run(name: string, body: object, done: Done): void;
  /** It has ended for good. */
  forget(): void;
}

export function newSubscriber(host: Host, target: Target, options: SubscribeOptions): Subscriber {
  const { on, emit } = emitter<SubscriptionEvents>();
  let state: SubscriptionState = "subscribing";
  let position = options.from; // patterns have none
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let turn = 0; // what was asked before the last turn no longer counts
  let told = false; // the server was told of the end

  for (const [key, listener] of Object.entries(options)) {
    const [, first, rest] = /^on(.)(.*)/.exec(key) ?? [];
    if (first) on((first.toLowerCase() + rest) as keyof SubscriptionEvents, listener);
  }

  const is = (...states: SubscriptionState[]) => states.includes(state);

  const set = (to: SubscriptionState) => {
    turn++;
    clearTimeout(retry);
    if (state === to) return;
    state = to;
    emit("state", to);
  };

  const drop = () => {
    told = host.connected();
    if (told) host.run("unsubscribe", target, () => {});
  };

  const end = (error?: RopewalkError) => {
    set("unsubscribed");
    host.forget();
    emit("unsubscribed", error);
  };

  const again = () => {
    set("subscribing");
    retry = setTimeout(() => host.connected() && ask(), backoff(failures++));
  };

  const request = () => ({
    ...target,
    from: position,
    latest: position ? undefined : options.latest,
    joins: options.joins,
  });

  const ask = () => {
    if (is("unsubscribed")) return;
    const mine = ++turn;
    host.run("subscribe", request(), (error, subscribe) => {
      if (mine === turn) begin({ error, subscribe: subscribe as Subscribed });
    });
  };

  const begin = ({ subscribe, error }: SubscribeResult) => {
    if (is("unsubscribed")) {
      if (!told) drop();
      return;
    }
    if (!subscribe) {
      if (error!.code === "timeout") drop(); // it may have been carried out
      if (error!.retry) again();
      else end(new RopewalkError(error!.code, error!.message));
      return;
    }
    failures = 0;
    position = subscribe.position;
    const behind = subscribe.recovered || options.latest;
    set(behind ? "recovering" : "subscribed");
    const mine = turn;
    emit("live", subscribe);
    if (!behind) return;
    // What was missed stands before the answer to the next command.
    host.run("ping", {}, (error) => {
      if (error || mine !== turn) return;
      set("subscribed");
      if (position) emit("recovered", { position });
    });
  };

  // Has the server begin anew where the subscription is.
  const restart = () => {
    set("subscribing");
    drop();
    ask();
  };

  // Checks that nothing is missing before next, and takes its position. Otherwise
  // nothing is shown: the subscription begins anew where the chain broke.
  const follows = ({ epoch, prev, offset }: Publication | Skip): boolean => {
    if (!position) return true;
    if (position.epoch === epoch && position.offset === prev) {
      position = { epoch, offset };
      return true;
    }
    set("subscribing");
    const mine = turn;
    emit("gap", { last: position, next: { epoch, prev, offset } });
    if (mine === turn) restart();
    return false;
  };

  const iterate = (): AsyncIterableIterator<Publication> => {
    const { buffer = 10_000 } = options;
    const items: Publication[] = [];
    let ended = is("unsubscribed");
    let error: RopewalkError | undefined;
    let wake = () => {};
    const stop = (err?: RopewalkError) => {
      ended = true;
      error = err;
      leave();
      wake();
    };
    const take = (p: Publication) => {
      items.push(p);
      if (items.length > buffer) stop(new RopewalkError("overflow", "too many wait"));
      wake();
    };
    const offs = [on("unsubscribed", stop), on("publication", take)];
    const leave = () => offs.forEach((off) => off());
    return (async function* () {
      try {
        for (;;) {
          if (items.length) yield items.shift()!;
          else if (error) throw error;
          else if (ended) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        leave();
      }
    })();
  };

  const subscription: Subscription = {
    ...target,
    on,
    get state() {
      return state;
    },
    get position() {
      return position;
    },
    unsubscribe() {
      if (is("unsubscribed")) return;
      end();
      drop();
    },
    [Symbol.asyncIterator]: iterate,
  };

  return {
    subscription,
    request,
    begin,
    ask,
    push({ publication, skip, join, leave, subscribed, unsubscribed }) {
      // It may begin elsewhere, and have come before an answer, which then is none any more.
      if (subscribed) {
        if (position) restart();
        else begin({ subscribe: subscribed });
        return;
      }
      if (!is("recovering", "subscribed")) return;
      if (unsubscribed?.retry) again();
      else if (unsubscribed) end(new RopewalkError(unsubscribed.code, unsubscribed.message));
      else if (publication && follows(publication)) {
        if (is("recovering")) publication.recovered = true;
        emit("publication", publication);
      } else if (skip && follows(skip)) emit("skip", skip);
      else if (join) emit("join", join);
      else if (leave) emit("leave", leave);
    },
    lost: () => set("subscribing"),
  };
}
