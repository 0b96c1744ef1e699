/* A small hub: takes readings from standard input, one JSON reading or batch a line, and hands each over to painwatch by MQTT
 * 3.1.1 at QoS 1. A line is kept until its PUBACK has come, which means that it survives a power cut there; after any doubt it
 * is sent again, unchanged, which is always harmless.
 *
 * Plain sockets and C99, no library: for a device on the same machine as the server or behind a TLS proxy such as stunnel. Off
 * loopback painwatch speaks TLS only; a hub with mbedTLS or wolfSSL replaces `send` and `recv` below by theirs.
 *
 *   cc -std=c99 -Wall -Wextra -o small_hub small_hub.c
 *   ./small_hub 127.0.0.1 1883 gw-17 TOKEN < readings.jsonl
 *
 * Ends with 0 when every line is acknowledged, with 2 when the server does not let it in: then a person is needed. */

#define _POSIX_C_SOURCE 200809L
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 16384, HEADER_MAX = 5, ANSWER_S = 10, KEEP_ALIVE_S = 60, BACKOFF_MAX_S = 60 };

/* One packet on its way: room for the fixed header, then what follows it. Both leave in one piece: in two, each message would
 * wait for the other side's delayed acknowledgement of the first. */
static unsigned char buffer[HEADER_MAX + LINE_MAX_BYTES + 512];
static unsigned char *const packet = buffer + HEADER_MAX;
static size_t length;

static void put(const void *bytes, size_t count) {
    memcpy(packet + length, bytes, count);
    length += count;
}

static void put16(unsigned value) {
    unsigned char bytes[2] = {(unsigned char)(value >> 8), (unsigned char)value};
    put(bytes, 2);
}

/* MQTT text: its length, then its bytes. */
static void put_text(const char *text) {
    put16((unsigned)strlen(text));
    put(text, strlen(text));
}

static int send_all(int line, const unsigned char *bytes, size_t count) {
    while (count > 0) {
        ssize_t sent = send(line, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0) {
            return -1;
        }
        bytes += sent;
        count -= (size_t)sent;
    }
    return 0;
}

/* Sends `packet` as a packet of this kind: MQTT counts its length in groups of seven bits. */
static int send_packet(int line, unsigned char kind) {
    unsigned char header[HEADER_MAX] = {kind};
    size_t header_length = 1, left = length;
    do {
        unsigned char group = (unsigned char)(left % 128);
        left /= 128;
        header[header_length++] = left > 0 ? (unsigned char)(group | 128) : group;
    } while (left > 0);
    memcpy(packet - header_length, header, header_length);
    return send_all(line, packet - header_length, header_length + length);
}

static int receive_all(int line, unsigned char *bytes, size_t count) {
    while (count > 0) {
        ssize_t received = recv(line, bytes, count, 0);
        if (received <= 0) {
            return -1; /* closed, broken, or silent for ANSWER_S */
        }
        bytes += received;
        count -= (size_t)received;
    }
    return 0;
}

/* CONNACK and PUBACK are all that is ever answered here, and both have four bytes. */
static int receive_answer(int line, unsigned char kind, unsigned char answer[4]) {
    return receive_all(line, answer, 4) || answer[0] != kind || answer[1] != 2 ? -1 : 0;
}

static int dial(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *one;
    int line = -1;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    for (one = found; one != NULL && line < 0; one = one->ai_next) {
        struct timeval patience = {.tv_sec = ANSWER_S};
        line = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
        if (line < 0) {
            continue;
        }
        setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(line, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(line, one->ai_addr, one->ai_addrlen) != 0) {
            close(line);
            line = -1;
        }
    }
    freeaddrinfo(found);
    return line;
}

/* The client id is the gateway id. A clean session: what is not acknowledged we send again ourselves. */
static int log_in(int line, const char *gateway, const char *token) {
    static const unsigned char protocol[] = {0, 4, 'M', 'Q', 'T', 'T', 4, 0xC2};
    unsigned char answer[4];
    length = 0;
    put(protocol, sizeof protocol);
    put16(KEEP_ALIVE_S);
    put_text(gateway);
    put_text(gateway);
    put_text(token);
    if (send_packet(line, 0x10) || receive_answer(line, 0x20, answer)) {
        return -1;
    }
    if (answer[3] == 4 || answer[3] == 5) {
        fprintf(stderr, "the server does not let %s in\n", gateway);
        exit(2);
    }
    return answer[3] == 0 ? 0 : -1;
}

/* 0 once the reading is durable. */
static int publish(int line, const char *gateway, unsigned id, const char *reading) {
    char topic[256];
    unsigned char answer[4];
    snprintf(topic, sizeof topic, "painwatch/v1/%s/readings/json", gateway);
    length = 0;
    put_text(topic);
    put16(id);
    put(reading, strlen(reading));
    if (send_packet(line, 0x32) || receive_answer(line, 0x40, answer)) {
        return -1;
    }
    return answer[2] * 256u + answer[3] == id ? 0 : -1;
}

/* Twice as long after each failure, at most a minute, and never two hubs alike: a thousand of them come back after an outage. */
static void back_off(unsigned failures) {
    unsigned seconds = failures < 6 ? 1u << failures : BACKOFF_MAX_S;
    long share = 500 + rand() % 500;
    struct timespec pause = {.tv_sec = (time_t)(seconds * (unsigned)share / 1000), .tv_nsec = share % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

int main(int count, char **arguments) {
    static char reading[LINE_MAX_BYTES];
    unsigned id = 0, failures = 0;
    int line = -1;
    if (count != 5 || strlen(arguments[3]) > 64 || strlen(arguments[4]) > 256) {
        fprintf(stderr, "usage: small_hub HOST PORT GATEWAY TOKEN < READINGS\n");
        return 1;
    }
    srand((unsigned)(time(NULL) ^ getpid()));
    while (fgets(reading, sizeof reading, stdin) != NULL) {
        reading[strcspn(reading, "\n")] = 0;
        if (reading[0] == 0) {
            continue;
        }
        id = id % 65535 + 1;
        for (;;) {
            if (line < 0) {
                line = dial(arguments[1], arguments[2]);
                if (line >= 0 && log_in(line, arguments[3], arguments[4]) != 0) {
                    close(line);
                    line = -1;
                }
            }
            if (line >= 0 && publish(line, arguments[3], id, reading) == 0) {
                failures = 0;
                break;
            }
            if (line >= 0) {
                close(line);
                line = -1;
            }
            back_off(failures++);
        }
    }
    if (line >= 0) {
        length = 0;
        send_packet(line, 0xE0);
        close(line);
    }
    return 0;
}
