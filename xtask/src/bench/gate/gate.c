/* Times one decision in several ways, interleaved in one run:
 *
 *   gate CONFDIR ECHO_SOCKET FSYNC_FILE USER FORM CALLERS ROUNDS CALLS WAY...
 *
 * WAY is fsync, socket, or a PAM service of CONFDIR. FORM is process, where each caller lives on, or fork, where each
 * call is made by a fresh child. CALLERS callers go through all ways together, CALLS calls of each way in a round,
 * each round in another order and each way after a rest. The echo server is a thread-free child of this program.
 * Prints "WAY P50 P99" in microseconds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *confdir, *echo_path, *fsync_file, *user;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void serve(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char bytes[64];
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, echo_path, sizeof address.sun_path - 1);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128))
        fail("echo server");
    if (fork())
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && read(fd, bytes, sizeof bytes) > 0 && write(fd, bytes, sizeof bytes) < 0)
            fail("echo");
        close(fd);
    }
}

static int silent(int count, const struct pam_message **messages, struct pam_response **answers, void *data) {
    (void)messages, (void)data;
    *answers = calloc((size_t)count, sizeof **answers);
    return PAM_SUCCESS;
}

static double pam(const char *service) {
    struct pam_conv conversation = {silent, NULL};
    pam_handle_t *handle = NULL;
    double before = now();
    if (pam_start_confdir(service, user, &conversation, confdir, &handle) != PAM_SUCCESS)
        fail("pam_start");
    int code = pam_acct_mgmt(handle, 0);
    pam_end(handle, code);
    if (code != PAM_SUCCESS) {
        fprintf(stderr, "%s answered %d\n", service, code);
        exit(1);
    }
    return now() - before;
}

static double once(const char *way) {
    if (!strcmp(way, "socket")) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char bytes[64] = {0};
        double before = now();
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        strncpy(address.sun_path, echo_path, sizeof address.sun_path - 1);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) || write(fd, bytes, 64) != 64 || read(fd, bytes, 64) != 64)
            fail("socket");
        close(fd);
        return now() - before;
    }
    if (!strcmp(way, "fsync")) {
        static char page[4096];
        int fd = open(fsync_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
        double before = now();
        if (fd < 0 || write(fd, page, sizeof page) != sizeof page || fdatasync(fd))
            fail("fsync");
        double took = now() - before;
        close(fd);
        return took;
    }
    return pam(way);
}

static double forked(const char *way) {
    int ends[2];
    double took = 0;
    if (pipe(ends))
        fail("pipe");
    pid_t child = fork();
    if (!child) {
        took = once(way);
        _exit(write(ends[1], &took, sizeof took) != sizeof took);
    }
    close(ends[1]);
    if (read(ends[0], &took, sizeof took) != sizeof took)
        fail("child");
    close(ends[0]);
    waitpid(child, NULL, 0);
    return took;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What a way leaves running, a log or a helper of its daemon, is charged to nobody: it has this long to come to rest. */
#define REST_US 30000

/* The order of a round, the same for all callers. */
static void shuffle(int *order, int ways, int round) {
    unsigned seed = (unsigned)round + 1;
    for (int w = 0; w < ways; w++) {
        int other = rand_r(&seed) % (w + 1);
        order[w] = order[other];
        order[other] = w;
    }
}

/* What callers share. */
struct together {
    pthread_barrier_t start;
    double took[];
};

static void *shared(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    return memory;
}

int main(int argc, char **argv) {
    if (argc < 10)
        return 2;
    confdir = argv[1], echo_path = argv[2], fsync_file = argv[3], user = argv[4];
    int forks = !strcmp(argv[5], "fork"), callers = atoi(argv[6]), rounds = atoi(argv[7]), calls = atoi(argv[8]);
    int ways = argc - 9;
    char **way = argv + 9;
    size_t each = (size_t)rounds * (size_t)calls, all = each * (size_t)callers;
    struct together *together = shared(sizeof *together + (size_t)ways * all * sizeof(double));
    pthread_barrierattr_t attributes;
    if (pthread_barrierattr_init(&attributes) || pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) ||
        pthread_barrier_init(&together->start, &attributes, (unsigned)callers))
        fail("barrier");
    serve();
    for (int caller = 0; caller < callers; caller++) {
        if (fork())
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int round = 0, order[ways]; round < rounds; round++) {
            shuffle(order, ways, round);
            for (int turn = 0; turn < ways; turn++) {
                int w = order[turn];
                double *took = together->took + (size_t)w * all + (size_t)caller * each + (size_t)round * (size_t)calls;
                usleep(REST_US);
                /* The first call of each way is not like the others. */
                forks ? forked(way[w]) : once(way[w]);
                pthread_barrier_wait(&together->start);
                for (int call = 0; call < calls; call++)
                    took[call] = forks ? forked(way[w]) : once(way[w]);
            }
        }
        _exit(0);
    }
    /* The echo server is the child that stays. One that failed leaves the others at the barrier: it ends the run. */
    for (int caller = 0, status; caller < callers; caller++)
        if (wait(&status) < 0 || status)
            return 1;
    for (int w = 0; w < ways; w++) {
        double *took = together->took + (size_t)w * all;
        qsort(took, all, sizeof *took, by_size);
        printf("%s %.0f %.0f\n", way[w], took[all / 2], took[all * 99 / 100]);
    }
    return 0;
}
