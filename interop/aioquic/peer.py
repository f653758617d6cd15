"""WebSocket over HTTP/3 (RFC 9220) as a peer: QUIC and HTTP/3 are those of the Python
package aioquic, frames those of websockets. It is a client (dial) or a server (listen,
accept) with one tunnel at a time. The commands are those of interop/peer_test.go and
interop/http3_peer_test.go, one JSON object a line, see interop/process/lines.go.
"""

import asyncio
import base64
import json
import sys
import traceback
from urllib.parse import urlsplit

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection, Setting
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StopSendingReceived, StreamReset
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri


class Tunnel:
    """One stream that carries WebSocket frames in DATA frames."""

    def __init__(self, connection, stream_id, websocket):
        self.connection = connection
        self.stream_id = stream_id
        self.websocket = websocket
        self.split = 0  # bytes in a DATA frame, 0 for all
        self.messages = asyncio.Queue()
        self.pongs = asyncio.Queue()
        self.parts = []
        self.finished = False
        self.end = {}  # how the peer has ended: fin, reset, stop
        self.ended = asyncio.Event()

    def received(self, data, fin):
        if data:
            self.websocket.receive_data(data)
        if fin:
            self.end["fin"] = True
            self.websocket.receive_eof()
        for frame in self.websocket.events_received():
            self.frame(frame)
        self.flush()
        if fin:
            self.ended.set()

    def frame(self, frame):
        if frame.opcode is Opcode.PONG:
            self.pongs.put_nowait(bytes(frame.data))
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self.binary = frame.opcode is Opcode.BINARY
        self.parts.append(bytes(frame.data))
        if frame.fin:
            self.messages.put_nowait((self.binary, b"".join(self.parts)))
            self.parts = []

    def flush(self):
        http = self.connection.http
        for data in self.websocket.data_to_send():
            if data == b"":
                self.finish()
                continue
            step = self.split or len(data)
            for i in range(0, len(data), step):
                http.send_data(self.stream_id, bytes(data[i : i + step]), end_stream=False)
        self.connection.transmit()

    def finish(self):
        """Ends the own direction."""
        if not self.finished:
            self.connection.http.send_data(self.stream_id, b"", end_stream=True)
            self.connection.transmit()
        self.finished = True

    def reset(self, code):
        quic = self.connection._quic
        quic.reset_stream(self.stream_id, code)
        quic.stop_stream(self.stream_id, code)
        self.connection.transmit()


class Connection(QuicConnectionProtocol):
    """A QUIC connection with HTTP/3 on it."""

    def __init__(self, *args, peer=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.peer = peer
        self.http = H3Connection(self._quic)
        self.settings = asyncio.Event()
        self.answers = {}  # stream: future of its headers
        self.bodies = {}  # stream: what came without a tunnel
        self.tunnels = {}

    def quic_event_received(self, event):
        if isinstance(event, (StreamReset, StopSendingReceived)):
            tunnel = self.tunnels.get(event.stream_id)
            if tunnel is not None:
                tunnel.end["reset" if isinstance(event, StreamReset) else "stop"] = event.error_code
                if isinstance(event, StreamReset):
                    tunnel.ended.set()
        if isinstance(event, ConnectionTerminated):
            for tunnel in self.tunnels.values():
                tunnel.end.setdefault("connection", event.error_code)
                tunnel.ended.set()
        for event in self.http.handle_event(event):
            self.http_event_received(event)
        if self.http.received_settings is not None:
            self.settings.set()

    def http_event_received(self, event):
        tunnel = self.tunnels.get(event.stream_id)
        if isinstance(event, DataReceived):
            if tunnel is not None:
                tunnel.received(event.data, event.stream_ended)
            else:
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
        elif isinstance(event, HeadersReceived):
            answer = self.answers.get(event.stream_id)
            if answer is not None and not answer.done():
                answer.set_result(event.headers)
            elif self.peer is not None:
                self.peer.requested(self, event.stream_id, dict(event.headers))

    async def request(self, headers, end_stream=False):
        """Sends a request and returns its stream and the answer's headers."""
        stream_id = self._quic.get_next_available_stream_id()
        self.answers[stream_id] = asyncio.get_running_loop().create_future()
        self.http.send_headers(stream_id, headers, end_stream)
        self.transmit()
        return stream_id, dict(await self.answers[stream_id])


def parameters(compress):
    """The arguments of a deflate factory. Zero means not asked for."""
    return {
        "server_no_context_takeover": bool(compress.get("serverNoTakeover")),
        "client_no_context_takeover": bool(compress.get("clientNoTakeover")),
        "server_max_window_bits": compress.get("serverBits") or None,
        "client_max_window_bits": compress.get("clientBits") or None,
    }


def handshake_headers(headers):
    """The headers of a handshake as websockets has them."""
    names = ("sec-websocket-extensions", "sec-websocket-protocol")
    return Headers((name, headers[name.encode()].decode()) for name in names if name.encode() in headers)


class Peer:
    def __init__(self):
        self.connection = None
        self.leave = None
        self.server = None
        self.tunnel = None
        self.accepted = asyncio.Queue()

    async def open(self, url, ca):
        """Opens a connection, waits for the server's SETTINGS and returns them."""
        target = urlsplit(url)
        configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN)
        configuration.load_verify_locations(ca)
        opening = connect(target.hostname, target.port, configuration=configuration, create_protocol=Connection)
        self.connection = await opening.__aenter__()
        self.leave = opening.__aexit__
        await self.connection.settings.wait()
        settings = self.connection.http.received_settings
        return {"connect": settings.get(Setting.ENABLE_CONNECT_PROTOCOL, 0)}

    async def dial(self, url, protocol="websocket", subprotocols=None, compress=None, headers=None, split=0):
        """Opens a tunnel on the connection. Without one there is only a status."""
        target = urlsplit(url)
        extensions = None
        if compress is not None:
            wanted = parameters(compress)
            wanted["client_max_window_bits"] = wanted["client_max_window_bits"] or True
            extensions = [ClientPerMessageDeflateFactory(**wanted)]
        websocket = ClientProtocol(
            parse_uri(url), extensions=extensions, subprotocols=subprotocols, state=OPEN, max_size=None
        )
        request = [
            (b":method", b"CONNECT"),
            (b":protocol", protocol.encode()),
            (b":scheme", b"https"),
            (b":authority", target.netloc.encode()),
            (b":path", (target.path or "/").encode()),
            (b"sec-websocket-version", b"13"),
        ]
        if subprotocols:
            request.append((b"sec-websocket-protocol", ", ".join(subprotocols).encode()))
        if extensions:
            offer = extensions[0].get_request_params()
            value = "; ".join(["permessage-deflate"] + [k if v is None else f"{k}={v}" for k, v in offer])
            request.append((b"sec-websocket-extensions", value.encode()))
        request += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        stream_id, answer = await self.connection.request(request)
        status = int(answer[b":status"])
        if status == 200:
            agreed = handshake_headers(answer)
            websocket.extensions = websocket.process_extensions(agreed)
            websocket.subprotocol = websocket.process_subprotocol(agreed)
            self.tunnel = Tunnel(self.connection, stream_id, websocket)
            self.tunnel.split = split
            self.connection.tunnels[stream_id] = self.tunnel
        return {
            "status": status,
            "headers": {k.decode(): v.decode() for k, v in answer.items()},
            "extensions": answer.get(b"sec-websocket-extensions", b"").decode(),
            "subprotocol": websocket.subprotocol or "",
        }

    async def get(self, url):
        """An ordinary request on the same connection."""
        target = urlsplit(url)
        headers = [(":method", "GET"), (":scheme", "https"), (":authority", target.netloc), (":path", "/")]
        _, answer = await self.connection.request(
            [(k.encode(), v.encode()) for k, v in headers], end_stream=True
        )
        return {"status": int(answer[b":status"])}

    async def listen(self, cert, key, compress=None, subprotocol="", split=0):
        self.options = (compress, subprotocol, split)
        configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
        configuration.load_cert_chain(cert, key)
        self.server = await serve(
            "127.0.0.1",
            0,
            configuration=configuration,
            create_protocol=lambda *args, **kwargs: Connection(*args, peer=self, **kwargs),
        )
        host, port = self.server._transport.get_extra_info("sockname")[:2]
        return {"addr": f"{host}:{port}"}

    def requested(self, connection, stream_id, headers):
        """Answers a request to the server."""
        compress, subprotocol, split = self.options
        if headers[b":method"] != b"CONNECT" or headers.get(b":protocol") != b"websocket":
            connection.http.send_headers(stream_id, [(b":status", b"501")], end_stream=True)
            return
        extensions = [] if compress is None else [ServerPerMessageDeflateFactory(**parameters(compress))]
        websocket = ServerProtocol(extensions=extensions, state=OPEN, max_size=None)
        asked = handshake_headers(headers)
        value, websocket.extensions = websocket.process_extensions(asked)
        answer = [(b":status", b"200")]
        if value:
            answer.append((b"sec-websocket-extensions", value.encode()))
        if subprotocol in asked.get("sec-websocket-protocol", "").split(", "):
            answer.append((b"sec-websocket-protocol", subprotocol.encode()))
        connection.http.send_headers(stream_id, answer)
        tunnel = connection.tunnels[stream_id] = Tunnel(connection, stream_id, websocket)
        tunnel.split = split
        self.accepted.put_nowait((tunnel, headers))

    async def accept(self):
        self.tunnel, headers = await self.accepted.get()
        return {"headers": {k.decode(): v.decode() for k, v in headers.items()}}

    async def send(self, binary, parts):
        """Each element of parts travels as one frame."""
        websocket = self.tunnel.websocket
        parts = [base64.b64decode(part) for part in parts]
        first = websocket.send_binary if binary else websocket.send_text
        for i, part in enumerate(parts):
            (first if i == 0 else websocket.send_continuation)(part, fin=i == len(parts) - 1)
            self.tunnel.flush()

    async def receive(self):
        binary, data = await self.tunnel.messages.get()
        return {"binary": binary, "data": base64.b64encode(data).decode()}

    async def ping(self, data):
        self.tunnel.websocket.send_ping(data.encode())
        self.tunnel.flush()
        return {"data": (await self.tunnel.pongs.get()).decode()}

    async def close(self, code, reason=""):
        self.tunnel.websocket.send_close(code, reason)
        self.tunnel.flush()
        return await self.closed()

    async def closed(self):
        await self.tunnel.ended.wait()
        websocket = self.tunnel.websocket
        return {"code": websocket.close_code, "reason": websocket.close_reason, "end": self.tunnel.end}

    async def fin(self):
        """Ends the own direction without a Close frame."""
        self.tunnel.finish()
        await self.tunnel.ended.wait()
        return {"end": self.tunnel.end}

    async def reset(self):
        self.tunnel.reset(ErrorCode.H3_REQUEST_CANCELLED)

    async def shut(self):
        if self.leave is not None:
            await self.leave(None, None, None)
            self.leave = None
        if self.server is not None:
            self.server.close()
            self.server = None


async def answer(peer, line):
    command = json.loads(line)
    try:
        verb = getattr(peer, command["do"])
        reply = {"result": await verb(**(command.get("with") or {}))}
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
