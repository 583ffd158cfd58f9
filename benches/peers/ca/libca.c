/* What libca itself does, in C: the measure of all clients of Channel Access.
 *
 *     libca connect NUM_PVS | requests NUM_PVS | counters NUM_PVS SECONDS | waveform SECONDS
 *
 * One line of JSON for each figure. See benches/ca/main.rs, which builds and runs it. */
#include <cadef.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { SEQUENTIAL = 5000, PIPELINED = 200000, WINDOW = 1000, NAME_BYTES = 32 };

static sem_t connected;
static sem_t answered;

struct counter {
    double last;
    long updates;
    long lost;
};

static struct {
    long updates;
    long bytes;
} arrays;

static void require(int status, const char *what) {
    if (status != ECA_NORMAL) {
        fprintf(stderr, "%s: %s\n", what, ca_message(status));
        exit(1);
    }
}

static double seconds_of(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double now(void) { return seconds_of(CLOCK_MONOTONIC); }

static double cpu(void) { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

static void on_connection(struct connection_handler_args args) {
    if (args.op == CA_OP_CONN_UP) sem_post(&connected);
}

static void on_answer(struct event_handler_args args) {
    require(args.status, "answer");
    sem_post(&answered);
}

static void on_count(struct event_handler_args args) {
    struct counter *counter = args.usr;
    require(args.status, "update");
    double value = ((const struct dbr_time_double *)args.dbr)->value;
    if (counter->updates > 0 && value > counter->last + 1.0) {
        __atomic_fetch_add(&counter->lost, (long)(value - counter->last - 1.0), __ATOMIC_RELAXED);
    }
    counter->last = value;
    __atomic_fetch_add(&counter->updates, 1, __ATOMIC_RELAXED);
}

static void on_array(struct event_handler_args args) {
    require(args.status, "update");
    __atomic_fetch_add(&arrays.updates, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&arrays.bytes, args.count * (long)sizeof(double), __ATOMIC_RELAXED);
}

/* Channels to so many PVs, connected; gives the milliseconds that it took. */
static double connect_all(const char *format, int count, chid *channels) {
    double began = now();
    for (int index = 0; index < count; index++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, format, index);
        require(ca_create_channel(name, on_connection, NULL, 0, &channels[index]), "channel");
    }
    ca_flush_io();
    for (int index = 0; index < count; index++) sem_wait(&connected);
    return (now() - began) * 1e3;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void print_latencies(const char *figure, double *latencies) {
    qsort(latencies, SEQUENTIAL, sizeof *latencies, by_value);
    printf("{\"figure\": \"%s\", \"median_us\": %.2f, \"p99_us\": %.2f}\n", figure,
           latencies[SEQUENTIAL / 2] * 1e6, latencies[SEQUENTIAL * 99 / 100] * 1e6);
}

static void ask(chid channel) {
    require(ca_array_get_callback(DBR_TIME_DOUBLE, 1, channel, on_answer, NULL), "get");
}

static void measure_requests(int count) {
    static double latencies[SEQUENTIAL];
    chid *channels = calloc((size_t)count, sizeof *channels);
    connect_all("BENCH:p:%05d", count, channels);
    for (int index = 0; index < SEQUENTIAL; index++) {
        double began = now();
        ask(channels[index % count]);
        ca_flush_io();
        sem_wait(&answered);
        latencies[index] = now() - began;
    }
    print_latencies("get", latencies);
    double began = now(), cpu_began = cpu();
    for (int sent = 0, received = 0; received < PIPELINED;) {
        for (; sent < PIPELINED && sent - received < WINDOW; sent++) ask(channels[sent % count]);
        ca_flush_io();
        sem_wait(&answered);
        received++;
        while (sem_trywait(&answered) == 0) received++;
    }
    printf("{\"figure\": \"pipelined\", \"per_s\": %.0f, \"cpu_s\": %.3f}\n", PIPELINED / (now() - began),
           cpu() - cpu_began);
    for (int index = 0; index < SEQUENTIAL; index++) {
        double value = index;
        began = now();
        require(ca_array_put_callback(DBR_DOUBLE, 1, channels[index % count], &value, on_answer, NULL),
                "put");
        ca_flush_io();
        sem_wait(&answered);
        latencies[index] = now() - began;
    }
    print_latencies("put", latencies);
}

static void sum(const struct counter *counters, int count, long *updates, long *lost) {
    *updates = *lost = 0;
    for (int index = 0; index < count; index++) {
        *updates += __atomic_load_n(&counters[index].updates, __ATOMIC_RELAXED);
        *lost += __atomic_load_n(&counters[index].lost, __ATOMIC_RELAXED);
    }
}

static void measure_counters(int count, unsigned seconds) {
    chid *channels = calloc((size_t)count, sizeof *channels);
    struct counter *counters = calloc((size_t)count, sizeof *counters);
    connect_all("BENCH:cnt:%03d", count, channels);
    for (int index = 0; index < count; index++) {
        require(ca_create_subscription(DBR_TIME_DOUBLE, 1, channels[index], DBE_VALUE | DBE_ALARM, on_count,
                                       &counters[index], NULL),
                "subscription");
    }
    ca_flush_io();
    sleep(1);
    long updates, lost, updates_before, lost_before;
    sum(counters, count, &updates_before, &lost_before);
    double began = now(), cpu_began = cpu();
    sleep(seconds);
    sum(counters, count, &updates, &lost);
    double took = now() - began;
    printf("{\"figure\": \"counters\", \"per_s\": %.0f, \"lost_per_s\": %.1f, \"cpu_percent\": %.2f}\n",
           (double)(updates - updates_before) / took, (double)(lost - lost_before) / took,
           100.0 * (cpu() - cpu_began) / took);
}

static void measure_waveform(unsigned seconds) {
    chid channel;
    connect_all("BENCH:wf", 1, &channel);
    require(ca_create_subscription(DBR_TIME_DOUBLE, 0, channel, DBE_VALUE | DBE_ALARM, on_array, NULL, NULL),
            "subscription");
    ca_flush_io();
    sleep(1);
    long updates = __atomic_load_n(&arrays.updates, __ATOMIC_RELAXED);
    long bytes = __atomic_load_n(&arrays.bytes, __ATOMIC_RELAXED);
    double began = now(), cpu_began = cpu();
    sleep(seconds);
    double took = now() - began;
    updates = __atomic_load_n(&arrays.updates, __ATOMIC_RELAXED) - updates;
    bytes = __atomic_load_n(&arrays.bytes, __ATOMIC_RELAXED) - bytes;
    printf("{\"figure\": \"waveform\", \"per_s\": %.0f, \"gb_per_s\": %.3f, \"cpu_percent\": %.2f}\n",
           (double)updates / took, (double)bytes / took / 1e9, 100.0 * (cpu() - cpu_began) / took);
}

static void print_process(void) {
    char line[128];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) sscanf(line, "VmHWM: %ld", &kib);
    if (status) fclose(status);
    printf("{\"figure\": \"process\", \"cpu_s\": %.3f, \"peak_mib\": %.1f}\n", cpu(), (double)kib / 1024.0);
}

int main(int argc, char **argv) {
    const char *phase = argc > 2 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 0;
    unsigned seconds = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
    sem_init(&connected, 0, 0);
    sem_init(&answered, 0, 0);
    require(ca_context_create(ca_enable_preemptive_callback), "context");
    if (!strcmp(phase, "connect") && number > 0) {
        chid *channels = calloc((size_t)number, sizeof *channels);
        printf("{\"figure\": \"connect\", \"ms\": %.2f}\n", connect_all("BENCH:p:%05d", number, channels));
    } else if (!strcmp(phase, "requests") && number > 0) {
        measure_requests(number);
    } else if (!strcmp(phase, "counters") && number > 0) {
        measure_counters(number, seconds);
    } else if (!strcmp(phase, "waveform")) {
        measure_waveform((unsigned)number);
    } else {
        fprintf(stderr, "usage: libca connect|requests|counters|waveform NUMBER [SECONDS]\n");
        return 2;
    }
    print_process();
    fflush(stdout);
    /* Taking thousands of channels down is not measured. */
    _exit(0);
}
