/* headless FILE: holds the file open in a process whose first thread has ended, so that it looks like a zombie. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void *stay(void *file) {
    if (open(file, O_RDONLY) < 0)
        exit(1);
    for (;;)
        pause();
}

int main(int argc, char **argv) {
    pthread_t thread;
    for (int n = 1; n < 65; n++)
        signal(n, SIG_IGN);
    if (argc != 2 || pthread_create(&thread, NULL, stay, argv[1]))
        return 2;
    pthread_exit(NULL);
}
