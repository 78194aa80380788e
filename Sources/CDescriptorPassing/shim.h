#pragma once
// Descriptors sent along a Unix socket (unix(7), SCM_RIGHTS), and who is at its other end. Control
// messages are reached by function-like macros, and struct ucred needs _GNU_SOURCE: Swift has
// neither.
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

union sealdisk_control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
};

// Sends bytes, and a descriptor with them unless it is -1. The count that was sent, or -1.
static inline ssize_t sealdisk_send(int socket, const void *bytes, size_t count, int descriptor) {
    struct iovec part = {(void *)bytes, count};
    union sealdisk_control control = {{0}};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

// Receives bytes, and into *descriptor one that came with them, to be closed at exec; else it is
// left as it is. The count, 0 at the end, -1 for a failure.
static inline ssize_t sealdisk_receive(int socket, void *bytes, size_t count, int *descriptor) {
    struct iovec part = {bytes, count};
    union sealdisk_control control = {{0}};
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    const ssize_t received = recvmsg(socket, &message, 0x40000000 /* MSG_CMSG_CLOEXEC */);
    struct cmsghdr *header = received > 0 ? CMSG_FIRSTHDR(&message) : 0;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(descriptor, CMSG_DATA(header), sizeof(int));
    return received;
}

// The user and process at the other end, 0; or -1.
static inline int sealdisk_peer(int socket, uid_t *user, pid_t *process) {
    struct { pid_t process; uid_t user; gid_t group; } peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, 17 /* SO_PEERCRED */, &peer, &size) != 0) return -1;
    *user = peer.user;
    *process = peer.process;
    return 0;
}
