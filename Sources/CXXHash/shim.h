#pragma once
// Inlined into the importer: the checksum is on the path of every plain block. XXH_INLINE_ALL
// renames everything through macros, which Swift does not see; hence one function that it does.
#define XXH_INLINE_ALL
#include <xxhash.h>

/// XXH3-128 (seed 0) over four parts one after another, in canonical byte order.
static inline void sealdisk_xxh3_128(
    const void *_Nonnull a, size_t a_count, const void *_Nonnull b, size_t b_count,
    const void *_Nonnull c, size_t c_count, const void *_Nullable d, size_t d_count,
    void *_Nonnull digest
) {
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, a, a_count);
    XXH3_128bits_update(&state, b, b_count);
    XXH3_128bits_update(&state, c, c_count);
    if (d_count > 0) XXH3_128bits_update(&state, d, d_count);
    XXH128_canonicalFromHash((XXH128_canonical_t *)digest, XXH3_128bits_digest(&state));
}
