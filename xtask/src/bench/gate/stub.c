/* The least that a PAM module with a daemon can do: one round trip of 64 bytes. */
#define _GNU_SOURCE
#include <security/pam_modules.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int pam_sm_acct_mgmt(pam_handle_t *handle, int flags, int argc, const char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char bytes[64] = {0};
    (void)handle, (void)flags;
    if (argc != 1)
        return PAM_SERVICE_ERR;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, argv[0], sizeof address.sun_path - 1);
    int fine = !connect(fd, (struct sockaddr *)&address, sizeof address) && write(fd, bytes, 64) == 64 && read(fd, bytes, 64) == 64;
    close(fd);
    return fine ? PAM_SUCCESS : PAM_AUTHINFO_UNAVAIL;
}
