/* Drives a PAM stack as an application does, on service files in a folder (pam_start_confdir(3)):
 *
 *   driver [OPTION... --] CONFDIR SERVICE USER PHASES [KEY=VALUE ...]
 *
 * PHASES is a list of auth, acct, cred, open, close, chauthtok with commas between. The keys set items: ruser, rhost, tty,
 * env (into the PAM environment), later (the same once the account part was gone through, as pam_env does in a session), uid
 * (the real user id that the module sees). Options are there to be seen by the module, as those of sudo. Each type=TEXT is the answer to the next prompt with echo; without one left the conversation fails, as
 * that of an application that asks nobody. A prompt without echo is always answered "secret", as by sshd under password
 * authentication. catch=1 takes ^C as sudo does: the call that waits ends, the process does not. Prints each message as
 * "STYLE TEXT", its line breaks as "\n", and each phase as "PHASE CODE MICROSECONDS". */
#define _GNU_SOURCE
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char **typed;
static int left;
static const char *later;

static void show(const struct pam_message *message) {
    printf("%d ", message->msg_style);
    for (const char *c = message->msg; *c; c++)
        if (*c == '\n') fputs("\\n", stdout);
        else putchar(*c);
    putchar('\n');
    fflush(stdout);
}

static void caught(int signal) {
    (void)signal;
}

static int talk(int count, const struct pam_message **messages, struct pam_response **answers, void *data) {
    (void)data;
    *answers = calloc((size_t)count, sizeof **answers);
    for (int i = 0; i < count; i++) {
        const int style = messages[i]->msg_style;
        show(messages[i]);
        if (style == PAM_PROMPT_ECHO_OFF) (*answers)[i].resp = strdup("secret");
        if (style != PAM_PROMPT_ECHO_ON) continue;
        if (left == 0) {
            free(*answers);
            return PAM_CONV_ERR;
        }
        left--;
        (*answers)[i].resp = strdup(*typed++);
    }
    return PAM_SUCCESS;
}

int main(int argc, char **argv) {
    struct pam_conv conversation = {talk, NULL};
    pam_handle_t *pam = NULL;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--")) {
            argv += i;
            argc -= i;
            break;
        }
    if (argc < 5)
        return 2;
    typed = calloc((size_t)argc, sizeof *typed);
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
        else if (!strcmp(argv[i], "later")) later = value;
        else if (!strcmp(argv[i], "type")) typed[left++] = value;
        else if (!strcmp(argv[i], "catch")) {
            struct sigaction action = {.sa_handler = caught};
            sigaction(SIGINT, &action, NULL);
        }
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
        if (later && !strcmp(phase, "acct") && pam_putenv(pam, later) != PAM_SUCCESS) return 5;
        printf("%s %d %ld\n", phase, code,
               (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000);
        fflush(stdout);
    }
    pam_end(pam, 0);
    return 0;
}
