/* A libnvidia-ml.so.1 whose GPUs stand in a text file that it reads at each call: $FAKE_NVML_STATE.
 *
 *   device ID UUID TOTAL RESERVED USED NAME     ID 0, 1, ... or 0:1 for a MIG device; USED by nobody named below
 *   mig ID                                      the GPU is divided
 *   proc ID PID BYTES LIST LINGER               BYTES -1: not available; LIST c or g; its memory stays for LINGER
 *                                               seconds after PID has gone
 *   error FUNCTION ID CODE                      ID -1: whatever device
 *   hang FUNCTION SECONDS
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long bytes;
typedef struct { bytes total, free, used; } memory_v1;
typedef struct { unsigned version; bytes total, reserved, free, used; } memory_v2;
typedef struct { unsigned pid; bytes used; unsigned gpu_instance, compute_instance; } process_info;

enum { UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT = 7 };
#define MOST 64

typedef struct { int id; char uuid[96], name[96]; bytes total, reserved, used; } device;
typedef struct { int id, pid; long long used; char list; double linger; } process;
typedef struct { char function[80]; int id, code; } fault;
typedef struct {
    int devices, processes, faults, divided;
    device device[MOST];
    process process[MOST];
    fault fault[MOST];
    int mig[MOST];
} state;

static int sessions;
static struct { int pid; double since; } dead[MOST];
static int deaths;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int number(const char *text) {
    int whole = 0, part = -1;
    sscanf(text, "%d:%d", &whole, &part);
    return whole + 1000 * (part + 1);
}

static int load(state *s) {
    memset(s, 0, sizeof *s);
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return -1;
    char line[512], id[32], list[8];
    while (fgets(line, sizeof line, file)) {
        device *d = &s->device[s->devices];
        process *p = &s->process[s->processes];
        fault *f = &s->fault[s->faults];
        if (sscanf(line, "device %31s %95s %llu %llu %llu %95[^\n]", id, d->uuid, &d->total, &d->reserved, &d->used,
                   d->name) == 6) {
            d->id = number(id);
            s->devices++;
        } else if (sscanf(line, "proc %31s %d %lld %7s %lf", id, &p->pid, &p->used, list, &p->linger) == 5) {
            p->id = number(id);
            p->list = list[0];
            s->processes++;
        } else if (sscanf(line, "error %79s %d %d", f->function, &f->id, &f->code) == 3) {
            s->faults++;
        } else if (sscanf(line, "mig %31s", id) == 1) {
            s->mig[s->divided++] = number(id);
        } else if (sscanf(line, "hang %79s %d", f->function, &f->code) == 2) {
            f->id = -2;
            s->faults++;
        }
    }
    fclose(file);
    return 0;
}

/* Reads the state, hangs where it says so, and gives the error that it says. */
static int enter(state *s, const char *function, int id) {
    if (load(s)) return UNINITIALIZED;
    for (int i = 0; i < s->faults; i++) {
        fault *f = &s->fault[i];
        if (strcmp(f->function, function)) continue;
        if (f->id == -2) {
            double until = now() + f->code;
            while (now() < until) usleep(5000);
        } else if (f->id == -1 || f->id == id) {
            return f->code;
        }
    }
    return sessions ? 0 : UNINITIALIZED;
}

static int is_zombie(int pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 1;
    size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[got] = 0;
    char *after = strrchr(text, ')');
    return after && after[2] == 'Z';
}

static int held(process *p) {
    if ((kill(p->pid, 0) == 0 || errno == EPERM) && !is_zombie(p->pid)) return 1;
    for (int i = 0; i < deaths; i++)
        if (dead[i].pid == p->pid) return now() < dead[i].since + p->linger;
    if (deaths < MOST) {
        dead[deaths].pid = p->pid;
        dead[deaths++].since = now();
    }
    return p->linger > 0;
}

static bytes used(state *s, device *d) {
    bytes sum = d->used;
    for (int i = 0; i < s->processes; i++)
        if (s->process[i].id == d->id && s->process[i].used > 0 && held(&s->process[i])) sum += s->process[i].used;
    return sum;
}

static device *find(state *s, void *handle) {
    int id = (int)(intptr_t)handle - 1;
    for (int i = 0; i < s->devices; i++)
        if (s->device[i].id == id) return &s->device[i];
    return NULL;
}

#define ENTER(name, handle)                                  \
    static state s;                                          \
    int code = enter(&s, name, (int)(intptr_t)(handle) - 1); \
    if (code) return code;
#define DEVICE                    \
    device *d = find(&s, handle); \
    if (!d) return INVALID;

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    sessions++;
    ENTER("nvmlInit", NULL)
    return 0;
}

int nvmlShutdown(void) {
    if (!sessions) return UNINITIALIZED;
    sessions--;
    return 0;
}

const char *nvmlErrorString(int code) {
    static char text[32];
    snprintf(text, sizeof text, "fake error %d", code);
    return text;
}

int nvmlSystemGetDriverVersion(char *text, unsigned length) {
    ENTER("nvmlSystemGetDriverVersion", NULL)
    snprintf(text, length, "580.65.06");
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    ENTER("nvmlDeviceGetCount", NULL)
    *count = 0;
    for (int i = 0; i < s.devices; i++) *count += s.device[i].id < 1000;
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    ENTER("nvmlDeviceGetHandleByIndex", (void *)(intptr_t)(index + 1))
    *handle = (void *)(intptr_t)(index + 1);
    return 0;
}

int nvmlDeviceGetUUID(void *handle, char *text, unsigned length) {
    ENTER("nvmlDeviceGetUUID", handle) DEVICE
    snprintf(text, length, "%s", d->uuid);
    return 0;
}

int nvmlDeviceGetName(void *handle, char *text, unsigned length) {
    ENTER("nvmlDeviceGetName", handle) DEVICE
    snprintf(text, length, "%s", d->name);
    return 0;
}

int nvmlDeviceGetMemoryInfo(void *handle, memory_v1 *memory) {
    ENTER("nvmlDeviceGetMemoryInfo", handle) DEVICE
    memory->total = d->total;
    memory->used = d->reserved + used(&s, d);
    memory->free = d->total - memory->used;
    return 0;
}

int nvmlDeviceGetMemoryInfo_v2(void *handle, memory_v2 *memory) {
    ENTER("nvmlDeviceGetMemoryInfo_v2", handle) DEVICE
    memory->total = d->total;
    memory->reserved = d->reserved;
    memory->used = used(&s, d);
    memory->free = d->total - d->reserved - memory->used;
    return 0;
}

static int listed(state *s, device *d, char list, unsigned *count, process_info *infos) {
    unsigned found = 0, room = *count;
    for (int i = 0; i < s->processes; i++) {
        process *p = &s->process[i];
        if (p->id != d->id || p->list != list || !held(p)) continue;
        if (infos && found < room) {
            infos[found].pid = p->pid;
            infos[found].used = p->used < 0 ? ~0ULL : (bytes)p->used;
        }
        found++;
    }
    *count = found;
    return found > room || (found && !infos) ? INSUFFICIENT : 0;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, process_info *infos) {
    ENTER("nvmlDeviceGetComputeRunningProcesses", handle) DEVICE
    return listed(&s, d, 'c', count, infos);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, process_info *infos) {
    ENTER("nvmlDeviceGetGraphicsRunningProcesses", handle) DEVICE
    return listed(&s, d, 'g', count, infos);
}

int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    ENTER("nvmlDeviceGetMigMode", handle)
    *current = *pending = 0;
    for (int i = 0; i < s.divided; i++) *current |= s.mig[i] == (int)(intptr_t)handle - 1;
    return 0;
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) {
    ENTER("nvmlDeviceGetMaxMigDeviceCount", handle)
    *count = 7;
    return 0;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **part) {
    ENTER("nvmlDeviceGetMigDeviceHandleByIndex", handle)
    *part = (void *)((intptr_t)handle + 1000 * (intptr_t)(index + 1));
    return find(&s, *part) ? 0 : NOT_FOUND;
}
