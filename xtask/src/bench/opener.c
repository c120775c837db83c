/* opener SERVICE USER COUNT: opens so many sessions of USER, each by a process of its own that starts another
 * one in the user's name, as sshd does, and says so once they are all open. A session closes when its process is
 * told to end. */
#include <fcntl.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void end(int signal) {
    (void)signal;
    over = 1;
}

static int say_nothing(int count, const struct pam_message **messages, struct pam_response **replies, void *data) {
    (void)messages, (void)data;
    *replies = calloc((size_t)count, sizeof **replies);
    return *replies ? PAM_SUCCESS : PAM_BUF_ERR;
}

static int session(const char *service, const struct passwd *user, int told) {
    struct pam_conv conversation = {say_nothing, NULL};
    struct sigaction ends = {.sa_handler = end};
    pam_handle_t *pam;
    if (pam_start(service, user->pw_name, &conversation, &pam) || pam_acct_mgmt(pam, 0) || pam_open_session(pam, 0))
        return 1;
    sigaction(SIGTERM, &ends, NULL);
    if (fork() == 0) {
        if (setgid(user->pw_gid) || setuid(user->pw_uid))
            return 1;
        for (;;)
            pause();
    }
    if (write(told, "+", 1) != 1)
        return 1;
    while (!over)
        pause();
    return pam_close_session(pam, 0) || pam_end(pam, 0);
}

int main(int argc, char **argv) {
    struct passwd *user = argc == 4 ? getpwnam(argv[2]) : NULL;
    int told[2], count = argc == 4 ? atoi(argv[3]) : 0;
    char plus;
    if (!user || pipe(told))
        return 2;
    for (int n = 0; n < count; n++) {
        if (fork() == 0)
            _exit(session(argv[1], user, told[1]));
        if (read(told[0], &plus, 1) != 1)
            return 1;
    }
    puts("open");
    fflush(stdout);
    while (wait(NULL) > 0)
        ;
    return 0;
}
