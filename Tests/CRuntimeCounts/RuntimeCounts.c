#define _DEFAULT_SOURCE
#include "CRuntimeCounts.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

// The runtime's own doors for instruments: while the flag is set it goes through these pointers.
extern bool _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly;
extern void *(*_swift_allocObject)(const void *metadata, size_t size, size_t alignment);
extern void *(*_swift_retain)(void *object);
extern void *(*_swift_retain_n)(void *object, uint32_t count);
extern void (*_swift_release)(void *object);
extern void (*_swift_release_n)(void *object, uint32_t count);

static void *(*alloc_object)(const void *, size_t, size_t);
static void *(*retain)(void *);
static void *(*retain_n)(void *, uint32_t);
static void (*release)(void *);
static void (*release_n)(void *, uint32_t);

static _Thread_local struct runtime_counts counts;

// The runtime's adapters cut the tag off that says "a short string, nothing to count", and pass on
// its bytes: no address of this process.
static bool is_object(void *object) {
    unsigned char resident;
    int saved = errno;  // whoever counts references here may be about to read it
    bool is_mapped =
        object && mincore((void *)((uintptr_t)object & ~(uintptr_t)4095), 1, &resident) == 0;
    errno = saved;
    return is_mapped;
}

static void *count_alloc_object(const void *metadata, size_t size, size_t alignment) {
    counts.allocations++;
    return alloc_object(metadata, size, alignment);
}

static void *count_retain(void *object) {
    counts.retains++;
    return is_object(object) ? retain(object) : object;
}

static void *count_retain_n(void *object, uint32_t count) {
    counts.retains++;
    return is_object(object) ? retain_n(object, count) : object;
}

static void count_release(void *object) {
    counts.releases++;
    if (is_object(object)) release(object);
}

static void count_release_n(void *object, uint32_t count) {
    counts.releases++;
    if (is_object(object)) release_n(object, count);
}

static void take_over(void) {
    alloc_object = _swift_allocObject;
    retain = _swift_retain;
    retain_n = _swift_retain_n;
    release = _swift_release;
    release_n = _swift_release_n;
    _swift_allocObject = count_alloc_object;
    _swift_retain = count_retain;
    _swift_retain_n = count_retain_n;
    _swift_release = count_release;
    _swift_release_n = count_release_n;
}

void runtime_counts_begin(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, take_over);
    _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly = true;
}

void runtime_counts_end(void) {
    _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly = false;
}

struct runtime_counts runtime_counts_now(void) { return counts; }
