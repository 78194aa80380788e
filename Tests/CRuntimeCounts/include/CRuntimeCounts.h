#pragma once
#include <stdint.h>

/// What the calling thread asked of Swift's runtime.
struct runtime_counts {
    uint64_t allocations; ///< Objects: classes, arrays, closures' contexts.
    uint64_t retains;
    uint64_t releases;
};

/// From now on the runtime's functions are counted, or no more; in all of the process.
void runtime_counts_begin(void);
void runtime_counts_end(void);

/// What the calling thread has done while they were.
struct runtime_counts runtime_counts_now(void);
