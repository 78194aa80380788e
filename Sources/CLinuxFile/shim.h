#pragma once
// Calls that Glibc's Swift module leaves out because they need _GNU_SOURCE; declared here by hand,
// since defining the macro in a shim clashes with that module.
#include <sys/types.h>
#include <sys/uio.h>

int fallocate(int fd, int mode, off_t offset, off_t length);
int renameat2(int oldFolder, const char *oldName, int newFolder, const char *newName,
              unsigned int flags);
ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags);

enum {
    SEALDISK_RENAME_NOREPLACE = 1,
    SEALDISK_FALLOC_KEEP_SIZE = 0x01,
    SEALDISK_FALLOC_PUNCH_HOLE = 0x02,
    SEALDISK_RWF_NOWAIT = 0x08,
    SEALDISK_SEEK_HOLE = 4,
};
