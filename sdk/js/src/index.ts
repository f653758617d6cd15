export { Ropewalk } from "./client.js";
export type {
  ClientEvents, HistoryOptions, Options, PresenceOptions, PublishOptions, TransportName,
} from "./client.js";
export type { Codec, Encoding, Wire } from "./codec.js";
export type { CommandOptions } from "./commands.js";
export type { State } from "./connection.js";
export { RopewalkError } from "./errors.js";
export type {
  Command, HistoryPage, Member, Message, Position, PresenceChange, PresenceCounted, PresencePage, Publication, Published,
  ServerEvent, Skip,
} from "./messages.js";
export type { Gap, Live, SubscribeOptions, Subscription, SubscriptionEvents, SubscriptionState } from "./subscription.js";
export type { Link, Transport, TransportOptions } from "./transport.js";
