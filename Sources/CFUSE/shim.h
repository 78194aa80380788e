#pragma once
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <sys/mount.h>
#include <sys/stat.h>

// Bit fields of fuse_file_info: Swift sees them, but not under names that say what they do here.
// Constants that are C enums or macros with casts get names of their own.
enum {
    SEALDISK_FALLOC_KEEP_SIZE = 0x01,
    SEALDISK_FALLOC_PUNCH_HOLE = 0x02,
    SEALDISK_FALLOC_ZERO_RANGE = 0x10,
    SEALDISK_SEEK_DATA = 3,
    SEALDISK_SEEK_HOLE = 4,
    // fuse_in_header and fuse_write_in of the kernel's protocol: 40 bytes each.
    SEALDISK_FUSE_HEADER_BYTES = 40,
    SEALDISK_FUSE_WRITE_HEADER_BYTES = 80,
    SEALDISK_FUSE_WRITE_OPCODE = 16,
};
