#pragma once
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

// Numbers of the kernel's interface that Glibc's module leaves out (they need _GNU_SOURCE there),
// and the shape of its FUSE protocol where libfuse does not tell it.
enum {
    SEALDISK_FALLOC_KEEP_SIZE = 0x01,
    SEALDISK_FALLOC_PUNCH_HOLE = 0x02,
    SEALDISK_FALLOC_ZERO_RANGE = 0x10,
    SEALDISK_SEEK_DATA = 3,
    SEALDISK_SEEK_HOLE = 4,
    // fuse_in_header and fuse_write_in, 40 bytes each, stand before the payload of a write.
    SEALDISK_FUSE_WRITE_HEADER_BYTES = 80,
    SEALDISK_FUSE_WRITE_OPCODE = 16,
    // fuse_in_header, which stands before every request: length, operation, and at byte 8 the
    // number by which a reply says what it answers.
    SEALDISK_FUSE_HEADER_BYTES = 40,
    SEALDISK_FUSE_NUMBER_OFFSET = 8,
    SEALDISK_FUSE_INIT_OPCODE = 26,
};
