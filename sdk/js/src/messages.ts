// The messages as protocol/native/nativepb/protocol.proto has them, under the same
// names, but for contentType. docs/reference/protocol.md says what each means.

/** A place in a channel's log: just behind the publication with that offset. */
export interface Position {
  epoch: string;
  offset: number;
}

/** Any JSON value, or bytes where a content type says what they are. */
export type Data = unknown;

export interface Publication {
  channel: string;
  /** The pattern of the subscription that it is for. */
  pattern?: string;
  epoch: string;
  offset: number;
  /** The offset of the publication before. */
  prev: number;
  /** Milliseconds since 1970 UTC. */
  time: number;
  id?: string;
  key?: string;
  tags?: Record<string, string>;
  /** A JSON value; a Uint8Array where contentType is given. */
  data: Data;
  contentType?: string;
  /** Public name of the client that published; absent for a back end. */
  client?: string;
  /** It was published while this client was away, or before it subscribed. */
  recovered?: boolean;
}

/** What lies behind prev, up to offset, is not delivered. */
export interface Skip {
  channel: string;
  epoch: string;
  offset: number;
  prev: number;
  reason: "own" | "dropped" | "conflated" | "latest" | (string & {});
}

export interface Member {
  client: string;
  user?: string;
  /** What the client said about itself when it connected. */
  info?: unknown;
}

export interface PresenceChange {
  channel: string;
  member: Member;
}

export interface HistoryPage {
  /** Of the newest publication. */
  top: Position;
  publications: Publication[];
  /** There is more in that direction. */
  more: boolean;
}

export interface PresencePage {
  members: Member[];
  more: boolean;
}

export interface PresenceCounted {
  clients: number;
  users: number;
}

export interface Published {
  position: Position;
  /** The id was known: position is that of the first time. */
  duplicate: boolean;
}

export interface Message {
  /** A JSON value; a Uint8Array where contentType is given. */
  data: Data;
  contentType?: string;
}

export interface ErrorReply {
  code: string;
  message: string;
  retry: boolean;
}

export interface Subscribed {
  position?: Position;
  recovered?: boolean;
  reason?: string;
  /** These two are in a push alone: what the server has subscribed the client to. */
  channel?: string;
  pattern?: string;
}

export interface SubscribeResult {
  error?: ErrorReply;
  subscribe?: Subscribed;
}

export interface Connected {
  session: string;
  client: string;
  node: string;
  resumed: boolean;
  subscriptions?: SubscribeResult[];
  ping: number;
}

export interface Unsubscribed {
  channel?: string;
  pattern?: string;
  code: string;
  message: string;
  retry: boolean;
}

export interface Disconnect {
  code: number;
  reason: string;
  retry: boolean;
  /** Milliseconds to stay away. */
  after?: number;
}

/** A command: its id, and one more member, its name with its body. */
export interface Command {
  id: number;
  [name: string]: unknown;
}

/** What the server sends: a reply when it has an id, or else one push. */
export interface ServerEvent {
  id?: number;
  error?: ErrorReply;
  connect?: Connected;
  publication?: Publication;
  skip?: Skip;
  join?: PresenceChange;
  leave?: PresenceChange;
  subscribed?: Subscribed;
  unsubscribed?: Unsubscribed;
  message?: Message;
  disconnect?: Disconnect;
  [name: string]: unknown;
}
