import type { Codec, Wire } from "./codec.js";
import type { Command } from "./messages.js";

/** What a transport is opened with. */
export interface TransportOptions {
  /** The server's address, with http: or https: and no slash at its end. */
  url: string;
  codec: Codec;
  /** The command that a connection begins with. */
  connect: Command;
  /** Returns the connection's secret, empty before the server has given one. */
  session(): string;
  /** Called with each message of the server. */
  receive(wire: Wire): void;
  /** Called at a sign of life that is no message. */
  alive(): void;
  /** Called when the connection has ended, or could not be made. */
  ended(code: number, reason: string): void;
}

/** One connection. */
export interface Link {
  /** Sends commands that were encoded one by one. */
  send(commands: Wire[]): void;
  close(): void;
}

/** Opens a connection. It may throw when the platform lacks what it needs. */
export interface Transport {
  name: string;
  /** The only encoding that it has, if there is one only. */
  encoding?: "json";
  /** False where the platform lacks what it needs. */
  usable: boolean;
  open(options: TransportOptions): Link;
}

/** Code of an end that nobody announced, as RFC 6455 has it. */
export const ABNORMAL = 1006;

/** How long connecting, the answer to a ping, and taking commands may take, in milliseconds. */
export const PATIENCE = 10_000;
