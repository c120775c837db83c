/* Preloaded: adjtimex(3) answers as on a machine whose clock a time service keeps. The kernel under the tests is the
 * machine's own, and whether its clock is kept is not for a test to change. */
#include <string.h>
#include <sys/timex.h>

int adjtimex(struct timex *state) {
    memset(state, 0, sizeof *state);
    return TIME_OK;
}
