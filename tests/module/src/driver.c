/* Drives a PAM stack as an application does, on service files in a folder (pam_start_confdir(3)):
 *
 *   driver CONFDIR SERVICE USER PHASES [KEY=VALUE ...]
 *
 * PHASES is a list of auth, acct, cred, open, close, chauthtok with commas between. The keys set items: ruser, rhost, tty,
 * env (into the PAM environment), uid (the real user id that the module sees). Prints each message as
 * "STYLE TEXT" and each phase as "PHASE CODE MICROSECONDS". */
#define _GNU_SOURCE
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int talk(int count, const struct pam_message **messages, struct pam_response **answers, void *data) {
    (void)data;
    *answers = calloc((size_t)count, sizeof **answers);
    for (int i = 0; i < count; i++)
        printf("%d %s\n", messages[i]->msg_style, messages[i]->msg);
    return PAM_SUCCESS;
}

int main(int argc, char **argv) {
    struct pam_conv conversation = {talk, NULL};
    pam_handle_t *pam = NULL;
    if (argc < 5)
        return 2;
    if (pam_start_confdir(argv[2], argv[3], &conversation, argv[1], &pam) != PAM_SUCCESS)
        return 3;
    for (int i = 5; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            return 2;
        *value++ = 0;
        if (!strcmp(argv[i], "ruser")) pam_set_item(pam, PAM_RUSER, value);
        else if (!strcmp(argv[i], "rhost")) pam_set_item(pam, PAM_RHOST, value);
        else if (!strcmp(argv[i], "tty")) pam_set_item(pam, PAM_TTY, value);
        else if (!strcmp(argv[i], "env")) pam_putenv(pam, value);
        else if (!strcmp(argv[i], "uid")) { if (setresuid((uid_t)atoi(value), 0, 0)) return 4; }
        else return 2;
    }
    for (char *phase = strtok(argv[4], ","); phase; phase = strtok(NULL, ",")) {
        struct timespec before, after;
        int code = -1;
        clock_gettime(CLOCK_MONOTONIC, &before);
        if (!strcmp(phase, "auth")) code = pam_authenticate(pam, PAM_SILENT);
        else if (!strcmp(phase, "acct")) code = pam_acct_mgmt(pam, PAM_SILENT);
        else if (!strcmp(phase, "cred")) code = pam_setcred(pam, PAM_ESTABLISH_CRED);
        else if (!strcmp(phase, "open")) code = pam_open_session(pam, PAM_SILENT);
        else if (!strcmp(phase, "close")) code = pam_close_session(pam, PAM_SILENT);
        else if (!strcmp(phase, "chauthtok")) code = pam_chauthtok(pam, PAM_SILENT);
        clock_gettime(CLOCK_MONOTONIC, &after);
        printf("%s %d %ld\n", phase, code,
               (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000);
        fflush(stdout);
    }
    pam_end(pam, 0);
    return 0;
}
