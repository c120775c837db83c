/* libnss_hangs.so.2: asks nothing and hangs, for the gate's daemon and for whoever asks by way of pam_jit.so. The
 * others learn at once that nobody is known here: sshd and sudo ask NSS too, and without the gate. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static enum nss_status nobody(int *error) {
    void *callers[64];
    int many = backtrace(callers, 64), hang = !strcmp(program_invocation_short_name, "jitd");
    for (int n = 0; n < many; n++) {
        Dl_info where;
        hang |= dladdr(callers[n], &where) && where.dli_fname && strstr(where.dli_fname, "pam_jit");
    }
    while (hang)
        pause();
    *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_hangs_getpwnam_r(const char *n, struct passwd *p, char *b, size_t l, int *e) { return nobody(e); }
enum nss_status _nss_hangs_getpwuid_r(uid_t u, struct passwd *p, char *b, size_t l, int *e) { return nobody(e); }
enum nss_status _nss_hangs_getgrnam_r(const char *n, struct group *g, char *b, size_t l, int *e) { return nobody(e); }
enum nss_status _nss_hangs_getgrgid_r(gid_t u, struct group *g, char *b, size_t l, int *e) { return nobody(e); }
enum nss_status _nss_hangs_initgroups_dyn(const char *n, gid_t g, long *s, long *z, gid_t **v, long m, int *e) {
    return nobody(e);
}
