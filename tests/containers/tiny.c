/* A container's whole contents: does what its words say, one after the other, and ends with 0.
 *
 *   print TEXT | err TEXT     a line on stdout, on stderr
 *   count N MICROSECONDS      N lines "line 000000", "line 000001", … with a pause after each
 *   long N                    one line of N bytes
 *   bytes                     every byte there is, 0 to 255
 *   hold MIB                  memory that is really there
 *   deaf                      SIGTERM does nothing from now on (before: it ends with 0)
 *   sleep SECONDS             0: for ever
 *   exit CODE
 *   crash                     SIGSEGV
 *   child WORDS then          a child does those words and ends; this one goes on behind them
 *   session                   from now on in a session of its own
 *   bare                      from now on without an environment
 *   fork-on-term              SIGTERM makes a deaf child in a session of its own, says "late" and ends
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void leave(int signal) { (void)signal; _exit(0); }

static void fork_and_leave(int number) {
    (void)number;
    if (fork() == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        for (;;) sleep(600);
    }
    (void)!write(1, "late\n", 5);
    _exit(0);
}

static void wait_for(long seconds) {
    for (long left = seconds; seconds == 0 || left > 0; left--) sleep(1);
}

static void count(long lines, long pause) {
    for (long i = 0; i < lines; i++) {
        printf("line %06ld\n", i);
        if (pause > 0) usleep((useconds_t)pause);
    }
}

static void print_long(long length) {
    for (long i = 0; i < length; i++) putchar('a' + i % 26);
    putchar('\n');
}

static void print_bytes(void) {
    unsigned char all[256];
    for (int i = 0; i < 256; i++) all[i] = (unsigned char)i;
    (void)!write(1, all, sizeof all);
}

static void hold(size_t bytes) {
    volatile char *memory = malloc(bytes);
    if (memory == NULL) exit(77);
    for (size_t i = 0; i < bytes; i += 4096) memory[i] = 1;
}

static void crash(void) {
    volatile int *nowhere = NULL;
    *nowhere = 1; /* a signal that it sent itself would not reach a pid 1 */
}

/* The place of the "then" that belongs to the "child" before `i`. */
static int behind_child(int i, int argc, char **argv) {
    for (int depth = 1; i < argc; i++) {
        if (!strcmp(argv[i], "child")) depth++;
        if (!strcmp(argv[i], "then") && --depth == 0) return i;
    }
    exit(64);
}

static void go_on_bare(int i, int argc, char **argv) {
    char *words[64] = {argv[0]}, *nothing[] = {NULL};
    for (int at = 1; i < argc && at < 63; i++) words[at++] = argv[i];
    execve("/tiny", words, nothing);
    exit(78);
}

int main(int argc, char **argv) {
    signal(SIGTERM, leave); /* the kernel keeps from pid 1 what it has no handler for */
    setvbuf(stdout, NULL, _IOLBF, 4096);
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
#define NEXT (i + 1 < argc ? argv[++i] : "")
#define NUMBER atol(NEXT)
        if (!strcmp(word, "print")) printf("%s\n", NEXT);
        else if (!strcmp(word, "err")) fprintf(stderr, "%s\n", NEXT);
        else if (!strcmp(word, "count")) { long lines = NUMBER; count(lines, NUMBER); }
        else if (!strcmp(word, "long")) print_long(NUMBER);
        else if (!strcmp(word, "bytes")) print_bytes();
        else if (!strcmp(word, "hold")) hold((size_t)NUMBER << 20);
        else if (!strcmp(word, "deaf")) signal(SIGTERM, SIG_IGN);
        else if (!strcmp(word, "sleep")) wait_for(NUMBER);
        else if (!strcmp(word, "exit")) exit((int)NUMBER);
        else if (!strcmp(word, "crash")) crash();
        else if (!strcmp(word, "child")) { if (fork() != 0) i = behind_child(i + 1, argc, argv); }
        else if (!strcmp(word, "then")) exit(0);
        else if (!strcmp(word, "session")) setsid();
        else if (!strcmp(word, "bare")) go_on_bare(i + 1, argc, argv);
        else if (!strcmp(word, "fork-on-term")) signal(SIGTERM, fork_and_leave);
        else return 64;
    }
    return 0;
}
