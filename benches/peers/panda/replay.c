/* A PandA that has rows to send, for benchmarks: a control port which knows just what a client needs to
 * arm it, and a data port that sends rows as fast as they are taken, or at a rate.
 *
 *   cc -O2 -pthread -o replay replay.c
 *   ./replay LAYOUT ROWS [ROWS_PER_S [FRAME_BYTES]]
 *
 * LAYOUT is f10 (ten fields: 40 bytes raw, 80 scaled) or d60 (60 bytes raw: bits, ticks of the gate, three
 * positions, a time and four means). It listens on free ports of 127.0.0.1 and prints `ports CONTROL DATA`,
 * then `start S` when the first row is captured (CLOCK_MONOTONIC), and `sent ROWS S` when all were sent.
 * It serves one connection of each kind and ends with the data connection. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int is_armed;
static unsigned long captured;
static int is_d60;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static void sleep_until(double when_s)
{
    struct timespec when = { .tv_sec = (time_t)when_s };
    when.tv_nsec = (long)((when_s - (double)when.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0) {
    }
}

static int listen_somewhere(int *port)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 4))
        fail("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &length))
        fail("getsockname");
    *port = ntohs(address.sin_port);
    return listener;
}

static int send_all(int socket, const void *bytes, size_t length)
{
    const char *next = bytes;
    while (length > 0) {
        ssize_t sent = send(socket, next, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        next += sent;
        length -= (size_t)sent;
    }
    return 0;
}

static int send_text(int socket, const char *text)
{
    return send_all(socket, text, strlen(text));
}

/* What *CAPTURE? answers. */
static void list_captured(char *out)
{
    if (is_d60) {
        strcpy(out, "!PCAP.BITS2 Value\n!COUNTER1.OUT Value Mean\n!COUNTER2.OUT Value Mean\n"
                    "!COUNTER3.OUT Value Mean\n!COUNTER4.OUT Mean\n!PCAP.TS_START Value\n.\n");
        return;
    }
    for (int i = 1; i <= 10; i++)
        out += sprintf(out, "!COUNTER%d.OUT Value\n", i);
    strcpy(out, ".\n");
}

static void *serve_control(void *listener)
{
    char line[1024], reply[1024];
    int client = accept((int)(intptr_t)listener, NULL, NULL);
    FILE *lines = client < 0 ? NULL : fdopen(client, "r");
    if (lines == NULL)
        fail("control port");
    while (fgets(line, sizeof line, lines)) {
        line[strcspn(line, "\n")] = 0;
        strcpy(reply, "OK\n");
        if (!strcmp(line, "*CAPTURE?")) {
            list_captured(reply);
        } else if (!strcmp(line, "*IDN?")) {
            strcpy(reply, "OK =PandA SW: 3.0 FPGA: replay rootfs: replay\n");
        } else if (!strcmp(line, "*PCAP.CAPTURED?")) {
            sprintf(reply, "OK =%lu\n", captured);
        } else if (!strcmp(line, "PCAP.HEALTH?")) {
            strcpy(reply, "OK =OK\n");
        } else if (!strcmp(line, "*PCAP.ARM=")) {
            pthread_mutex_lock(&lock);
            is_armed = 1;
            pthread_cond_signal(&changed);
            pthread_mutex_unlock(&lock);
        } else if (line[0] && line[strlen(line) - 1] == '?') {
            strcpy(reply, "OK =0\n");
        }
        if (send_text(client, reply))
            break;
    }
    fclose(lines);
    return NULL;
}

static char *add_field(char *out, int i, const char *kind, const char *capture)
{
    return out + sprintf(out, "<field name=\"COUNTER%d.OUT\" type=\"%s\" capture=\"%s\" scale=\"0.5\" "
                              "offset=\"1\" units=\"mm\" />\n", i, kind, capture);
}

/* The header; gives the bytes of a row. */
static size_t make_header(char *out, int is_raw)
{
    size_t row_bytes = is_d60 ? (is_raw ? 60 : 68) : (is_raw ? 40 : 80);
    const char *number = is_raw ? "int32" : "double", *wide = is_raw ? "int64" : "double";
    out += sprintf(out, "<header>\n<data arm_time=\"2026-01-01T00:00:00.000000000Z\" missed=\"0\" "
                        "process=\"%s\" format=\"Framed\" sample_bytes=\"%zu\" />\n<fields>\n",
                   is_raw ? "Raw" : "Scaled", row_bytes);
    if (!is_d60) {
        for (int i = 1; i <= 10; i++)
            out = add_field(out, i, number, "Value");
    } else {
        out += sprintf(out, "<field name=\"PCAP.BITS2\" type=\"uint32\" capture=\"Value\" />\n");
        if (is_raw)
            out += sprintf(out, "<field name=\"PCAP.GATE_DURATION\" type=\"int32\" capture=\"Value\" "
                                "scale=\"8e-09\" offset=\"0\" units=\"s\" />\n");
        for (int i = 1; i <= 3; i++)
            out = add_field(out, i, number, "Value");
        out += sprintf(out, "<field name=\"PCAP.TS_START\" type=\"%s\" capture=\"Value\" scale=\"8e-09\" "
                            "offset=\"0\" units=\"s\" />\n", wide);
        for (int i = 1; i <= 4; i++)
            out = add_field(out, i, wide, "Mean");
    }
    strcpy(out, "</fields>\n</header>\n\n");
    return row_bytes;
}

/* Whatever the layout, the words of row i are i, i + 1, ... of the frame, so that no value is like another. */
static char *make_frame(size_t num_rows, size_t row_bytes, int is_raw)
{
    char *frame = malloc(8 + num_rows * row_bytes);
    if (frame == NULL)
        fail("malloc");
    for (size_t row = 0; row < num_rows; row++) {
        char *to = frame + 8 + row * row_bytes;
        for (size_t at = 0; at + 4 <= row_bytes; at += 4) {
            uint32_t word = is_d60 ? 125 : (uint32_t)(row + at / 4);
            memcpy(to + at, &word, 4);
        }
        for (size_t i = 0; !is_raw && !is_d60 && i < 10; i++) {
            double value = (double)(row + i) * 0.5 + 1;
            memcpy(to + 8 * i, &value, 8);
        }
    }
    return frame;
}

static void send_rows(int client, int is_raw, unsigned long rows, double rate, size_t frame_bytes)
{
    static char header[8192];
    char end[64];
    size_t row_bytes = make_header(header, is_raw);
    size_t most = (frame_bytes - 8) / row_bytes;
    char *frame = make_frame(most, row_bytes, is_raw);
    double start_s = now_s();
    printf("start %.6f\n", start_s);
    fflush(stdout);
    int failed = send_text(client, header);
    while (!failed && captured < rows) {
        size_t num_rows = rows - captured < most ? rows - captured : most;
        uint32_t length = (uint32_t)(8 + num_rows * row_bytes);
        if (rate > 0)
            sleep_until(start_s + (double)(captured + num_rows) / rate);
        memcpy(frame, "BIN ", 4);
        memcpy(frame + 4, &length, 4);
        failed = send_all(client, frame, length);
        captured += num_rows;
    }
    sprintf(end, "END %lu Ok\n", captured);
    if (failed || send_text(client, end))
        fprintf(stderr, "replay: the reader went away\n");
    printf("sent %lu %.6f\n", captured, now_s() - start_s);
    fflush(stdout);
    free(frame);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    is_d60 = !strcmp(argv[1], "d60");
    unsigned long rows = strtoul(argv[2], NULL, 10);
    double rate = argc > 3 ? atof(argv[3]) : 0;
    int control_port, data_port, one = 1;
    int control = listen_somewhere(&control_port), data = listen_somewhere(&data_port);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve_control, (void *)(intptr_t)control))
        fail("thread");
    printf("ports %d %d\n", control_port, data_port);
    fflush(stdout);
    int client = accept(data, NULL, NULL);
    char request[1024];
    size_t length = 0;
    while (length < sizeof request - 1 && recv(client, request + length, 1, 0) == 1
           && request[length] != '\n')
        length++;
    request[length] = 0;
    int is_raw = strstr(request, "RAW") != NULL;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    send_text(client, "OK\n");
    pthread_mutex_lock(&lock);
    while (!is_armed)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    /* As the real server frames them, unless told otherwise. */
    size_t frame_bytes = argc > 4 ? strtoul(argv[4], NULL, 10) : is_raw ? (2u << 20) : 65536;
    send_rows(client, is_raw, rows, rate, frame_bytes);
    while (recv(client, request, sizeof request, 0) > 0) {
    }
    return 0;
}
