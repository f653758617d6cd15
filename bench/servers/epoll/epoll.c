/*
 * The server under load without WebSocket and without Go: bytes over TCP, one
 * epoll loop. What it costs, no server on epoll can go far below.
 *
 * It reads up to 64 KiB at a time and writes the bytes back with one call, or in
 * broadcast mode to all connections. What the kernel does not take waits in a
 * buffer of the connection. It ends with its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct conn {
    int fd;
    size_t member;       /* index in members */
    char *waiting;       /* bytes that the kernel did not take; NULL if there are none */
    size_t begin, end;   /* of those bytes in waiting */
};

static char buffer[64 << 10];
static bool broadcast;
static int poller;
static struct conn **members; /* of a broadcast */
static size_t count, room;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int operation, int fd, uint32_t events, void *data) {
    struct epoll_event ev = {.events = events, .data.ptr = data};
    if (epoll_ctl(poller, operation, fd, &ev) < 0) die("epoll_ctl");
}

static void *need(void *p) {
    if (p == NULL) die("memory");
    return p;
}

static void close_conn(struct conn *c) {
    if (broadcast) {
        members[c->member] = members[--count];
        members[c->member]->member = c->member;
    }
    close(c->fd);
    free(c->waiting);
    free(c);
}

/* keep has n bytes wait for the kernel. */
static void keep(struct conn *c, const char *p, size_t n) {
    if (c->waiting == NULL) watch(EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
    memmove(c->waiting, c->waiting + c->begin, c->end - c->begin);
    c->end -= c->begin;
    c->begin = 0;
    c->waiting = need(realloc(c->waiting, c->end + n));
    memcpy(c->waiting + c->end, p, n);
    c->end += n;
}

/* send_bytes sends p, now or later. A broken connection is left to its reader. */
static void send_bytes(struct conn *c, const char *p, size_t n) {
    if (c->waiting == NULL) {
        ssize_t k = write(c->fd, p, n);
        if (k < 0 && errno != EAGAIN) return;
        if (k < 0) k = 0;
        p += k;
        n -= k;
    }
    if (n > 0) keep(c, p, n);
}

static void writable(struct conn *c) {
    ssize_t k = write(c->fd, c->waiting + c->begin, c->end - c->begin);
    if (k > 0) c->begin += k;
    if (c->begin == c->end) {
        free(c->waiting);
        c->waiting = NULL;
        c->begin = c->end = 0;
        watch(EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
    }
}

/* readable returns false when the connection has ended. */
static bool readable(struct conn *c) {
    ssize_t n = read(c->fd, buffer, sizeof buffer);
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    if (!broadcast) {
        send_bytes(c, buffer, n);
        return true;
    }
    for (size_t i = 0; i < count; i++) send_bytes(members[i], buffer, n);
    return true;
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = need(calloc(1, sizeof *c));
        c->fd = fd;
        if (broadcast) {
            if (count == room) {
                room = room ? 2 * room : 1024;
                members = need(realloc(members, room * sizeof *members));
            }
            c->member = count;
            members[count++] = c;
        }
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, c);
    }
}

static int listen_at(const char *where) {
    char host[64] = "";
    int port = 0;
    if (sscanf(where, "%63[0-9.]:%d", host, &port) != 2) {
        fprintf(stderr, "-addr is no IPv4 address and port: %s\n", where);
        exit(2);
    }
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof a;
    inet_pton(AF_INET, host, &a.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, size) < 0 || listen(fd, 4096) < 0) die("listen");
    getsockname(fd, (struct sockaddr *)&a, &size);
    printf("%s:%d\n", host, ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    const char *where = "127.0.0.1:0";
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "-addr") == 0) where = argv[i + 1];
        if (strcmp(argv[i], "-mode") == 0) broadcast = strcmp(argv[i + 1], "broadcast") == 0;
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) die("epoll_create1");
    int listener = listen_at(where);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, &poller);
    watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, NULL);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(poller, events, 256, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (c == NULL) return 0;
            if (events[i].data.ptr == &poller) {
                accept_all(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT && c->waiting != NULL) writable(c);
            if (events[i].events & ~EPOLLOUT && !readable(c)) close_conn(c);
        }
    }
}
