/* Times one decision in several ways, interleaved in one run:
 *
 *   gate CONFDIR ECHO_SOCKET FSYNC_FILE USER ROUNDS CALLS
 *
 * CONFDIR holds the PAM services permit, stub and ours. The echo server is a thread-free child of this program.
 * Prints "WAY FORM P50 P99" in microseconds, WAY one of fsync socket permit stub ours, FORM one of process fork. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int main(int argc, char **argv) {
    static const char *ways[] = {"fsync", "socket", "permit", "stub", "ours"};
    enum { WAYS = 5 };
    if (argc != 7)
        return 2;
    confdir = argv[1], echo_path = argv[2], fsync_file = argv[3], user = argv[4];
    int rounds = atoi(argv[5]), calls = atoi(argv[6]);
    size_t all = (size_t)rounds * (size_t)calls;
    serve();
    for (int form = 0; form < 2; form++) {
        double *took[WAYS];
        size_t count = 0;
        for (int way = 0; way < WAYS; way++)
            took[way] = calloc(all, sizeof **took);
        /* Forks come first, while this process has loaded no module. */
        for (int round = 0; round < rounds; round++, count += (size_t)calls)
            for (int way = 0; way < WAYS; way++)
                for (int call = 0; call < calls; call++)
                    took[way][count + (size_t)call] = form == 0 ? forked(ways[way]) : once(ways[way]);
        for (int way = 0; way < WAYS; way++) {
            qsort(took[way], all, sizeof **took, by_size);
            printf("%s %s %.0f %.0f\n", ways[way], form == 0 ? "fork" : "process", took[way][all / 2], took[way][all * 99 / 100]);
        }
    }
    return 0;
}
