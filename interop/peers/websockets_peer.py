"""The Python package websockets as a peer: a client (dial) or a server (listen,
accept) with one connection at a time. The commands are those of
interop/peer_test.go, one JSON object a line, see interop/process/lines.go.
"""

import asyncio
import base64
import json
import sys
import traceback

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.exceptions import ConnectionClosed

OPTIONS = {
    "compression": None,
    "max_size": None,
    "ping_interval": None,
    "open_timeout": None,
    "close_timeout": None,
}


def parameters(compress):
    """The arguments of a deflate factory. Zero means not asked for."""
    return {
        "server_no_context_takeover": bool(compress.get("serverNoTakeover")),
        "client_no_context_takeover": bool(compress.get("clientNoTakeover")),
        "server_max_window_bits": compress.get("serverBits") or None,
        "client_max_window_bits": compress.get("clientBits") or None,
    }


class Peer:
    def __init__(self):
        self.socket = None
        self.server = None
        self.accepted = asyncio.Queue()
        self.shutting = None

    async def dial(self, url, subprotocols=None, compress=None):
        # Not an empty list: that would send an empty header, which no grammar allows.
        extensions = None
        if compress is not None:
            wanted = parameters(compress)
            # True offers the parameter without a value, as browsers do.
            wanted["client_max_window_bits"] = wanted["client_max_window_bits"] or True
            extensions = [ClientPerMessageDeflateFactory(**wanted)]
        self.socket = await connect(
            url,
            subprotocols=subprotocols or None,
            extensions=extensions,
            proxy=None,
            **OPTIONS,
        )
        return {
            "extensions": self.socket.response.headers.get("Sec-WebSocket-Extensions", ""),
            "subprotocol": self.socket.subprotocol or "",
        }

    async def listen(self, compress=None, subprotocol=""):
        extensions = []
        if compress is not None:
            extensions = [ServerPerMessageDeflateFactory(**parameters(compress))]
        self.accepted = asyncio.Queue()
        self.shutting = asyncio.Event()
        shutting = self.shutting

        async def handler(socket):
            await self.accepted.put(socket)
            await shutting.wait()

        self.server = await serve(
            handler,
            "127.0.0.1",
            0,
            subprotocols=[subprotocol] if subprotocol else None,
            # The default refuses a client that offers none.
            select_subprotocol=lambda _, offered: subprotocol if subprotocol in offered else None,
            extensions=extensions,
            **OPTIONS,
        )
        host, port = self.server.sockets[0].getsockname()[:2]
        return {"addr": f"{host}:{port}"}

    async def accept(self):
        self.socket = await self.accepted.get()
        return {"extensions": "", "subprotocol": self.socket.subprotocol or ""}

    async def send(self, binary, parts):
        """Each element of parts travels as one frame."""
        parts = [base64.b64decode(part) for part in parts]
        if len(parts) == 1:
            await self.socket.send(parts[0], text=not binary)
        else:
            await self.socket.send(parts, text=not binary)

    async def receive(self):
        message = await self.socket.recv()
        binary = isinstance(message, bytes)
        data = message if binary else message.encode()
        return {"binary": binary, "data": base64.b64encode(data).decode()}

    async def ping(self, data):
        await (await self.socket.ping(data))
        return {"data": data}

    async def pong(self, data):
        await self.socket.pong(data)

    async def close(self, code, reason=""):
        await self.socket.close(code, reason)
        return await self.closed()

    async def closed(self):
        await self.socket.wait_closed()
        return {"code": self.socket.close_code, "reason": self.socket.close_reason}

    async def shut(self):
        if self.socket is not None:
            self.socket.transport.abort()
        if self.server is not None:
            self.shutting.set()
            self.server.close()
            await self.server.wait_closed()
            self.server = None


async def answer(peer, line):
    command = json.loads(line)
    try:
        verb = getattr(peer, command["do"])
        reply = {"result": await verb(**(command.get("with") or {}))}
    except ConnectionClosed as closed:
        reply = {"error": f"connection closed: {closed}"}
    except Exception:
        reply = {"error": traceback.format_exc()}
    print(json.dumps({"id": command["id"], **reply}), flush=True)


async def main():
    peer = Peer()
    loop = asyncio.get_running_loop()
    running = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = loop.create_task(answer(peer, line))
        running.add(task)
        task.add_done_callback(running.discard)
    await peer.shut()


asyncio.run(main())
