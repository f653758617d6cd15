// protocol/native/nativepb/protocol.proto, as tables.
import type { Tables } from "./protobuf.js";

export const tables: Tables = {
  Commands: "commands@Command*",
  Command:
    "id:u connect@Connect subscribe@Subscribe unsubscribe@Unsubscribe publish@Publish history@History " +
    "presence@Presence presence_count@Unsubscribe rpc@Rpc refresh@Refresh ping@Empty",
  Event:
    "reply@Reply publication@Publication skip@Skip join@Change leave@Change unsubscribed@Unsubscribed message@Data " +
    "disconnect@Disconnect subscribed@Subscribed",
  Reply:
    "id!u error@Error connect@Connected subscribe@Subscribed unsubscribe@Empty publish@Published history@HistoryPage " +
    "presence@PresencePage presence_count@PresenceCounted rpc@Data refresh@Refreshed ping@Empty",
  Empty: "",
  Pair: "key! value!",
  Position: "epoch! offset!u",
  Error: "code! message! retry!b",
  Data: "data:d content_type",
  Connect: "session subscriptions@Subscribe* info:j",
  Connected: "session! client! node! resumed!b subscriptions@Result* ping!u",
  Result: "error@Error subscribe@Subscribed",
  Subscribe: "channel pattern from@Position latest:u joins:b",
  Subscribed: "position@Position recovered:b reason channel pattern",
  Unsubscribe: "channel pattern", // and PresenceCount, which has the first alone
  Publish: "channel id key tags:m data:d content_type expect@Position exclude_self:b",
  Published: "position@Position duplicate!b",
  History: "channel from@Position limit:u reverse:b",
  HistoryPage: "top@Position publications!@Publication* more!b",
  Presence: "channel after limit:u",
  PresencePage: "members!@Member* more!b",
  PresenceCounted: "clients!u users!u",
  Member: "client! user info:j",
  Rpc: "method data:d content_type",
  Refresh: "token",
  Refreshed: "expires!u",
  Publication: "channel! pattern epoch! offset!u prev!u time!u id key tags:m data:d content_type client",
  Skip: "channel! epoch! offset!u prev!u reason!",
  Change: "channel! member@Member",
  Unsubscribed: "channel pattern code! message! retry!b",
  Disconnect: "code!u reason! retry!b after:u",
};
