// The server under load on uWebSockets, in the style of its examples. It ends with
// its standard input.
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <unistd.h>

#include "App.h"

struct Options {
    std::string host = "127.0.0.1", cert;
    int port = 0;
    bool broadcast = false;
    uWS::CompressOptions deflate = uWS::DISABLED;
};

struct Data {};

// The smallest memory of its own that a connection with takeover can have: a
// history of 4 KiB for what it receives, 8 KiB for what it sends.
static const auto takeover =
    uWS::CompressOptions(uWS::DEDICATED_COMPRESSOR_8KB | uWS::DEDICATED_DECOMPRESSOR_4KB);
static const auto noTakeover = uWS::CompressOptions(uWS::SHARED_COMPRESSOR | uWS::SHARED_DECOMPRESSOR);

static Options parse(int argc, char **argv) {
    Options o;
    for (int i = 1; i + 1 < argc; i += 2) {
        std::string name = argv[i], value = argv[i + 1];
        if (name == "-addr") {
            auto colon = value.rfind(':');
            o.host = value.substr(0, colon);
            o.port = std::stoi(value.substr(colon + 1));
        } else if (name == "-mode") {
            o.broadcast = value == "broadcast";
        } else if (name == "-cert") {
            o.cert = value;
        } else if (name == "-deflate" && value != "none") {
            o.deflate = value == "takeover" ? takeover : noTakeover;
        }
    }
    return o;
}

template <bool TLS>
static void serve(uWS::TemplatedApp<TLS> &&app, const Options &o) {
    auto *pointer = &app;
    typename uWS::TemplatedApp<TLS>::template WebSocketBehavior<Data> behavior;
    behavior.compression = o.deflate;
    behavior.maxPayloadLength = 64 << 20;
    behavior.maxBackpressure = 64 << 20;
    behavior.open = [&o](auto *ws) {
        if (o.broadcast) ws->subscribe("all");
    };
    behavior.message = [&o, pointer](auto *ws, std::string_view message, uWS::OpCode code) {
        if (o.broadcast) {
            pointer->publish("all", message, code, o.deflate != uWS::DISABLED);
        } else {
            ws->send(message, code, o.deflate != uWS::DISABLED);
        }
    };
    app.template ws<Data>("/*", std::move(behavior)).listen(o.host, o.port, [&o](auto *socket) {
        if (!socket) {
            std::cerr << "listen: " << std::strerror(errno) << std::endl;
            _exit(1);
        }
        std::cout << o.host << ":" << us_socket_local_port(TLS, (us_socket_t *)socket) << std::endl;
    }).run();
}

int main(int argc, char **argv) {
    std::thread([] {
        char c;
        while (read(STDIN_FILENO, &c, 1) > 0) {
        }
        _exit(0);
    }).detach();
    Options o = parse(argc, argv);
    if (o.cert.empty()) {
        serve<false>(uWS::App(), o);
    } else {
        uWS::SocketContextOptions tls;
        tls.key_file_name = tls.cert_file_name = o.cert.c_str();
        serve<true>(uWS::SSLApp(tls), o);
    }
    return 1;
}
