/* The floor: the least a single-threaded server on epoll can do for one request.
 *
 * One process, one epoll descriptor, one answer prepared before the first
 * connection: epoll_wait, recv, send, nothing else.  It parses nothing, so it is not
 * a web server; it says how much of a request's processor time is the kernel's,
 * and therefore how much any server, in any language, can still save.
 *
 *     floor FILE      answers every request with FILE; prints the address it took
 *
 * The head has the fields a file server sends, so that both sides move as many
 * bytes as they do for the servers beside it in the table.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, REQUEST_BYTES = 16384, HEAD_BYTES = 512, BACKLOG = 1024 };

static char *answer;
static size_t answer_bytes;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void http_date(char *text, size_t bytes, time_t when) {
    strftime(text, bytes, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&when));
}

/* Head and body as one block, so that one send() moves both. */
static void prepare_answer(const char *path) {
    char now[64], modified[64];
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &status) < 0) die(path);
    http_date(now, sizeof now, time(NULL));
    http_date(modified, sizeof modified, status.st_mtime);

    size_t body_bytes = (size_t)status.st_size;
    answer = malloc(HEAD_BYTES + body_bytes);
    if (!answer) die("malloc");
    int head_bytes = snprintf(answer, HEAD_BYTES,
        "HTTP/1.1 200 OK\r\n"
        "Server: floor\r\n"
        "Date: %s\r\n"
        "Content-Type: text/html\r\n"
        "Content-Length: %zu\r\n"
        "Last-Modified: %s\r\n"
        "ETag: \"%lx-%zx\"\r\n"
        "Accept-Ranges: bytes\r\n"
        "\r\n",
        now, body_bytes, modified, (unsigned long)status.st_mtime, body_bytes);
    if (fread(answer + head_bytes, 1, body_bytes, file) != body_bytes) die(path);
    fclose(file);
    answer_bytes = (size_t)head_bytes + body_bytes;
}

static int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) die("socket");
    if (bind(listener, (struct sockaddr *)&address, length) < 0) die("bind");
    if (listen(listener, BACKLOG) < 0) die("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0) die("getsockname");
    fprintf(stderr, "listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    return listener;
}

static void watch(int poller, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) < 0) die("epoll_ctl");
}

static void accept_all(int poller, int listener) {
    int one = 1, connection;
    while ((connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(poller, connection);
    }
}

/* A request is what ends with an empty line.  The load has one request under way per
 * connection, and it arrives in one piece on loopback; a piece that is no whole head
 * is dropped.  close() also takes the descriptor out of epoll. */
static void serve(int connection) {
    static char request[REQUEST_BYTES];
    ssize_t received = recv(connection, request, sizeof request, 0);
    if (received <= 0) {
        close(connection);
        return;
    }
    if (received < 4 || memcmp(request + received - 4, "\r\n\r\n", 4) != 0) return;
    if (send(connection, answer, answer_bytes, MSG_NOSIGNAL) != (ssize_t)answer_bytes)
        close(connection); /* a client that does not read: no load of ours */
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: floor FILE\n");
        return 2;
    }
    prepare_answer(arguments[1]);
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) die("epoll_create1");
    int listener = listen_on_loopback();
    watch(poller, listener);

    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener) accept_all(poller, listener);
            else serve(events[i].data.fd);
        }
    }
}
