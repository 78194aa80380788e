#pragma once
// ioctl(2) is variadic and prctl(2) too: Swift needs fixed shapes.
#include <linux/fs.h>
#include <linux/loop.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/timex.h>

static inline int sealdisk_loop_configure(int fd, struct loop_config *config) {
    return ioctl(fd, LOOP_CONFIGURE, config);
}
static inline int sealdisk_loop_get_free(int control) { return ioctl(control, LOOP_CTL_GET_FREE); }
static inline int sealdisk_loop_clear(int fd) { return ioctl(fd, LOOP_CLR_FD, 0); }
static inline int sealdisk_loop_status(int fd, struct loop_info64 *info) {
    return ioctl(fd, LOOP_GET_STATUS64, info);
}
static inline int sealdisk_loop_update_size(int fd) { return ioctl(fd, LOOP_SET_CAPACITY, 0); }
// Looks for the device's partitions anew; EBUSY while one of them is in use.
static inline int sealdisk_reread_partitions(int fd) { return ioctl(fd, BLKRRPART, 0); }
// Gives all of the device back.
static inline int sealdisk_discard_all(int fd) {
    unsigned long long range[2] = {0, 0};
    if (ioctl(fd, BLKGETSIZE64, &range[1]) != 0) return -1;
    return ioctl(fd, BLKDISCARD, range);
}
// Stops writers of the file system that fd lies in, once all they wrote is on its device; and lets
// them go on.
static inline int sealdisk_freeze(int fd) { return ioctl(fd, FIFREEZE, 0); }
static inline int sealdisk_thaw(int fd) { return ioctl(fd, FITHAW, 0); }
// Columns of a terminal, 0 if fd is none.
static inline int sealdisk_terminal_columns(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
// What the kernel knows of its clock (adjtimex(2)); struct timex is not in Glibc's module.
static inline int sealdisk_clock_state(void) {
    struct timex time = {0};
    return adjtimex(&time);
}
static inline int sealdisk_prctl(int option, unsigned long value) {
    return prctl(option, value, 0UL, 0UL, 0UL);
}
