/* Many who come in again and again, as an application asks PAM:
 *
 *   askers SERVICE USER COUNT ENOUGH
 *
 * COUNT processes go through the account phase every quarter of a second until the file ENOUGH is there. Prints
 * "ASKED REFUSED WORST", the last in milliseconds. The first of them has no turn for 0.7 s between the daemon taking it and
 * its question, as happens on a busy machine; the daemon waits 0.5 s for one. */
#define _GNU_SOURCE
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct seen {
    long asked, refused, worst;
};

static int has_no_turn;

/* In place of the C library's, for the module too. */
int connect(int fd, const struct sockaddr *to, socklen_t length) {
    int failed = (int)syscall(SYS_connect, fd, to, length);
    int asks = to->sa_family == AF_UNIX && strstr(((const struct sockaddr_un *)to)->sun_path, "gate.sock");
    if (!failed && asks && has_no_turn) {
        has_no_turn = 0;
        usleep(700000);
    }
    return failed;
}

static int silent(int count, const struct pam_message **messages, struct pam_response **answers, void *data) {
    (void)messages, (void)data;
    *answers = calloc((size_t)count, sizeof **answers);
    return PAM_SUCCESS;
}

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void ask(const char *service, const char *user, struct seen *seen) {
    struct pam_conv conversation = {silent, NULL};
    pam_handle_t *handle = NULL;
    long since = now();
    int code = pam_start(service, user, &conversation, &handle);
    if (code == PAM_SUCCESS)
        code = pam_acct_mgmt(handle, 0);
    pam_end(handle, code);
    long took = now() - since;
    seen->asked++;
    seen->refused += code != PAM_SUCCESS;
    if (took > seen->worst)
        seen->worst = took;
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    int count = atoi(argv[3]);
    struct seen *seen = mmap(NULL, (size_t)count * sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seen == MAP_FAILED)
        return 1;
    for (int asker = 0; asker < count; asker++)
        if (!fork()) {
            while (access(argv[4], F_OK)) {
                has_no_turn = asker == 0;
                ask(argv[1], argv[2], &seen[asker]);
                usleep(250000);
            }
            _exit(0);
        }
    struct seen all = {0, 0, 0};
    for (int asker = 0, status; asker < count; asker++)
        if (wait(&status) < 0 || status)
            return 1;
    for (int asker = 0; asker < count; asker++) {
        all.asked += seen[asker].asked;
        all.refused += seen[asker].refused;
        if (seen[asker].worst > all.worst)
            all.worst = seen[asker].worst;
    }
    printf("%ld %ld %ld\n", all.asked, all.refused, all.worst);
    return 0;
}
