import type { Transport } from "./transport.js";

type Constructor = new (url: string, protocol: string) => WebSocket;

/** The transport over WebSocket, with the platform's own or one that is compatible. */
export function websocket(constructor = globalThis.WebSocket as Constructor): Transport {
  return {
    name: "websocket",
    usable: !!constructor,
    open({ url, codec, connect, receive, ended }) {
      const socket = new constructor(`${url.replace(/^http/, "ws")}/connection/websocket`, `ropewalk.v1.${codec.name}`);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => socket.send(codec.encode(connect) as string);
      socket.onmessage = ({ data }) => receive(typeof data === "string" ? data : new Uint8Array(data));
      socket.onclose = ({ code, reason }) => ended(code, reason || "connection lost");
      socket.onerror = () => {}; // close follows
      return {
        send: (commands) => socket.send(codec.join(commands) as string),
        close() {
          socket.onopen = null;
          socket.close(1000);
        },
      };
    },
  };
}
