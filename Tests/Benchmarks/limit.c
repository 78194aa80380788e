/*
 * The least a FUSE server can do, to measure others against: shows a file of fixed size, `disk`,
 * that lies in another file.
 *
 *     limit [--tags FILE] BACKING MOUNTPOINT        (stays in the foreground; SIGTERM ends it)
 *
 * Without --tags a request is one pread or pwrite. With it every block of 4 KiB is sealed with
 * AES-256-GCM, its nonce and tag kept in a second file, at one more pread or pwrite a request. The
 * key is of this run alone. It is a limit, no store: a crash between the two files loses a block.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    BLOCK = 4096,
    PAYLOAD = 1 << 20,              /* the longest request */
    WRITE_OPCODE = 16,              /* FUSE_WRITE of <linux/fuse.h> */
    WRITE_HEADER = 40 + 40,         /* fuse_in_header and fuse_write_in */
    /* A request that begins and ends within a block. */
    BLOCKS = PAYLOAD / BLOCK + 1,
    REGIONS = 1024,
    THREADS = 16,
    DISK = FUSE_ROOT_ID + 1,
};
static const double forever = 86400;

/* What is kept of a block beside its ciphertext. All zero: the block was never written. */
struct entry {
    uint8_t nonce[12];
    uint8_t tag[16];
    uint8_t padding[4];
};

/* What a thread that serves requests has for itself. */
struct worker {
    uint8_t *input;                 /* the payload of the write it received last */
    uint8_t *work;                  /* where a reply, or the ciphertext of a write, is made */
    struct entry entries[BLOCKS];
    EVP_CIPHER_CTX *sealer, *opener;
};

static int data_file = -1, tag_file = -1;
static struct stat disk_stat;
static uint8_t key[32], nonce_prefix[4];
static atomic_uint_least64_t nonce_counter;
static pthread_key_t worker_key;
/* A block and its tag change together for those who hold the lock of its MiB. */
static pthread_rwlock_t regions[REGIONS];

static void fatal(const char *what)
{
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void free_worker(void *value)
{
    struct worker *w = value;
    EVP_CIPHER_CTX_free(w->sealer);
    EVP_CIPHER_CTX_free(w->opener);
    free(w->input);
    free(w->work);
    free(w);
}

/* Payloads begin on page boundaries: the kernel copies them 2-3 times slower otherwise. */
static struct worker *current_worker(void)
{
    struct worker *w = pthread_getspecific(worker_key);
    if (w)
        return w;
    w = calloc(1, sizeof *w);
    if (!w)
        fatal("memory");
    w->input = aligned_alloc(BLOCK, PAYLOAD);
    w->work = aligned_alloc(BLOCK, BLOCKS * BLOCK);
    w->sealer = EVP_CIPHER_CTX_new();
    w->opener = EVP_CIPHER_CTX_new();
    if (!w->input || !w->work || !w->sealer || !w->opener
        || !EVP_EncryptInit_ex(w->sealer, EVP_aes_256_gcm(), NULL, key, NULL)
        || !EVP_DecryptInit_ex(w->opener, EVP_aes_256_gcm(), NULL, key, NULL)
        || pthread_setspecific(worker_key, w))
        fatal("a thread's buffers");
    return w;
}

/* How libfuse reads /dev/fuse: the headers of a request go where it wants them, the payload of a
   write to the thread's own buffer, where `disk_write` takes it. */
static ssize_t receive(int device, void *buffer, size_t limit, void *userdata)
{
    (void)userdata;
    struct worker *w = current_worker();
    struct iovec parts[2] = {{buffer, WRITE_HEADER}, {w->input, PAYLOAD}};
    ssize_t count = readv(device, parts, 2);
    uint32_t opcode;
    if (count <= WRITE_HEADER)
        return count;
    memcpy(&opcode, (uint8_t *)buffer + 4, sizeof opcode);
    if (opcode != WRITE_OPCODE) {
        if ((size_t)count > limit)
            return errno = EIO, -1;
        memcpy((uint8_t *)buffer + WRITE_HEADER, w->input, count - WRITE_HEADER);
    }
    return count;
}

static ssize_t answer(int device, struct iovec *parts, int count, void *userdata)
{
    (void)userdata;
    return writev(device, parts, count);
}

/* Reads the whole length; what lies behind the end of the file is zeros. 0 or an error. */
static int read_all(int file, void *buffer, size_t length, off_t offset)
{
    while (length > 0) {
        ssize_t count = pread(file, buffer, length, offset);
        if (count < 0 && errno != EINTR)
            return errno;
        if (count == 0) {
            memset(buffer, 0, length);
            return 0;
        }
        if (count > 0) {
            buffer = (uint8_t *)buffer + count;
            length -= count;
            offset += count;
        }
    }
    return 0;
}

static int write_all(int file, const void *buffer, size_t length, off_t offset)
{
    while (length > 0) {
        ssize_t count = pwrite(file, buffer, length, offset);
        if (count < 0 && errno != EINTR)
            return errno;
        if (count > 0) {
            buffer = (const uint8_t *)buffer + count;
            length -= count;
            offset += count;
        }
    }
    return 0;
}

/* Locks the one or two MiB that a request touches, in the order of the locks. */
static void lock_regions(uint64_t first, uint64_t count, int (*lock)(pthread_rwlock_t *))
{
    const uint64_t blocks = PAYLOAD / BLOCK;
    uint64_t a = first / blocks % REGIONS, b = (first + count - 1) / blocks % REGIONS;
    lock(&regions[a < b ? a : b]);
    if (a != b)
        lock(&regions[a < b ? b : a]);
}

/* Reads and opens whole blocks into `work`. 0 or an error. */
static int load(struct worker *w, uint64_t first, uint64_t count)
{
    static const struct entry unwritten;
    int error = read_all(data_file, w->work, count * BLOCK, first * BLOCK), length;
    if (!error)
        error = read_all(tag_file, w->entries, count * sizeof(struct entry),
                         first * sizeof(struct entry));
    for (uint64_t i = 0; i < count && !error; i++) {
        uint8_t *block = w->work + i * BLOCK;
        struct entry *entry = &w->entries[i];
        if (!memcmp(entry, &unwritten, sizeof unwritten))
            memset(block, 0, BLOCK);
        else if (!EVP_DecryptInit_ex(w->opener, NULL, NULL, NULL, entry->nonce)
                 || !EVP_DecryptUpdate(w->opener, block, &length, block, BLOCK)
                 || !EVP_CIPHER_CTX_ctrl(w->opener, EVP_CTRL_AEAD_SET_TAG, sizeof entry->tag,
                                         entry->tag)
                 || EVP_DecryptFinal_ex(w->opener, block + length, &length) != 1)
            error = EIO;
    }
    return error;
}

/* Seals whole blocks from `source`, which may be `work`, into `work`, and writes them. */
static int store(struct worker *w, const uint8_t *source, uint64_t first, uint64_t count)
{
    uint64_t number = atomic_fetch_add(&nonce_counter, count);
    int error, length;
    for (uint64_t i = 0; i < count; i++, number++) {
        uint8_t *block = w->work + i * BLOCK;
        struct entry *entry = &w->entries[i];
        memset(entry, 0, sizeof *entry);
        memcpy(entry->nonce, nonce_prefix, sizeof nonce_prefix);
        memcpy(entry->nonce + sizeof nonce_prefix, &number, sizeof number);
        if (!EVP_EncryptInit_ex(w->sealer, NULL, NULL, NULL, entry->nonce)
            || !EVP_EncryptUpdate(w->sealer, block, &length, source + i * BLOCK, BLOCK)
            || !EVP_EncryptFinal_ex(w->sealer, block + length, &length)
            || !EVP_CIPHER_CTX_ctrl(w->sealer, EVP_CTRL_AEAD_GET_TAG, sizeof entry->tag,
                                    entry->tag))
            return EIO;
    }
    error = write_all(data_file, w->work, count * BLOCK, first * BLOCK);
    return error ? error : write_all(tag_file, w->entries, count * sizeof(struct entry),
                                     first * sizeof(struct entry));
}

static void disk_read(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    (void)inode, (void)info;
    struct worker *w = current_worker();
    uint8_t *begin = w->work;
    int error;
    if (offset >= disk_stat.st_size)
        size = 0;
    else if ((off_t)size > disk_stat.st_size - offset)
        size = disk_stat.st_size - offset;
    if (size > PAYLOAD) {
        error = EINVAL;
    } else if (tag_file < 0 || size == 0) {
        error = read_all(data_file, begin, size, offset);
    } else {
        uint64_t first = offset / BLOCK, count = (offset + size - 1) / BLOCK - first + 1;
        lock_regions(first, count, pthread_rwlock_rdlock);
        error = load(w, first, count);
        lock_regions(first, count, pthread_rwlock_unlock);
        begin += offset % BLOCK;
    }
    if (error)
        fuse_reply_err(req, error);
    else
        fuse_reply_buf(req, (char *)begin, size);
}

static void disk_write(fuse_req_t req, fuse_ino_t inode, const char *headers, size_t size,
                       off_t offset, struct fuse_file_info *info)
{
    (void)inode, (void)headers, (void)info;
    struct worker *w = current_worker();
    int error;
    if (offset > disk_stat.st_size || (off_t)size > disk_stat.st_size - offset) {
        error = ENOSPC;
    } else if (tag_file < 0 || size == 0) {
        error = write_all(data_file, w->input, size, offset);
    } else {
        uint64_t first = offset / BLOCK, count = (offset + size - 1) / BLOCK - first + 1;
        const uint8_t *source = w->input;
        error = 0;
        lock_regions(first, count, pthread_rwlock_wrlock);
        if (offset % BLOCK || size % BLOCK) {
            error = load(w, first, count);
            memcpy(w->work + offset % BLOCK, w->input, size);
            source = w->work;
        }
        if (!error)
            error = store(w, source, first, count);
        lock_regions(first, count, pthread_rwlock_unlock);
    }
    if (error)
        fuse_reply_err(req, error);
    else
        fuse_reply_write(req, size);
}

static void disk_fsync(fuse_req_t req, fuse_ino_t inode, int data_only,
                       struct fuse_file_info *info)
{
    (void)inode, (void)data_only, (void)info;
    int error = fdatasync(data_file) ? errno : 0;
    if (!error && tag_file >= 0 && fdatasync(tag_file))
        error = errno;
    fuse_reply_err(req, error);
}

static void disk_open(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *info)
{
    info->keep_cache = 1;
    info->noflush = 1;
    if (inode == DISK)
        fuse_reply_open(req, info);
    else
        fuse_reply_err(req, EISDIR);
}

static struct stat attributes(fuse_ino_t inode)
{
    struct stat root = {.st_ino = FUSE_ROOT_ID, .st_mode = S_IFDIR | 0755, .st_nlink = 2};
    return inode == DISK ? disk_stat : root;
}

static void get_attributes(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *info)
{
    (void)info;
    struct stat found = attributes(inode);
    fuse_reply_attr(req, &found, forever);
}

/* Times and owners are not kept, and the size is what it is. */
static void set_attributes(fuse_req_t req, fuse_ino_t inode, struct stat *wanted, int which,
                           struct fuse_file_info *info)
{
    if (which & FUSE_SET_ATTR_SIZE && wanted->st_size != disk_stat.st_size)
        fuse_reply_err(req, EPERM);
    else
        get_attributes(req, inode, info);
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param found = {.ino = DISK, .attr = disk_stat, .attr_timeout = forever,
                                     .entry_timeout = forever};
    if (parent == FUSE_ROOT_ID && !strcmp(name, "disk"))
        fuse_reply_entry(req, &found);
    else
        fuse_reply_err(req, ENOENT);
}

/* As in `negotiate` of the FUSE adapter, so that both have the same from the kernel. */
static void negotiate(void *userdata, struct fuse_conn_info *connection)
{
    (void)userdata;
    connection->max_write = PAYLOAD;
    connection->max_read = PAYLOAD;
    connection->max_readahead = PAYLOAD;
    connection->max_background = 64;
    connection->congestion_threshold = 48;
    connection->want &= ~(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA
                          | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    connection->want |= (FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_ASYNC_DIO) & connection->capable;
}

static const struct fuse_lowlevel_ops operations = {
    .init = negotiate, .lookup = lookup, .getattr = get_attributes, .setattr = set_attributes,
    .open = disk_open, .read = disk_read, .write = disk_write, .fsync = disk_fsync,
};

static int serve(const char *mount_point)
{
    char *arguments[] = {"limit", "-o", "fsname=limit,subtype=limit,max_read=1048576", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, arguments);
    const struct fuse_custom_io io = {.writev = answer, .read = receive};
    struct fuse_session *session =
        fuse_session_new(&args, &operations, sizeof operations, NULL);
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    int status = -1;
    if (session && !fuse_set_signal_handlers(session)) {
        if (!fuse_session_mount(session, mount_point)) {
            if (!fuse_session_custom_io(session, &io, fuse_session_fd(session))) {
                fuse_loop_cfg_set_clone_fd(config, 1);
                fuse_loop_cfg_set_max_threads(config, THREADS);
                status = fuse_session_loop_mt(session, config);
            }
            fuse_session_unmount(session);
        }
        fuse_remove_signal_handlers(session);
    }
    if (session)
        fuse_session_destroy(session);
    fuse_loop_cfg_destroy(config);
    fuse_opt_free_args(&args);
    return status < 0;
}

int main(int argc, char **argv)
{
    const char *tags = argc == 5 && !strcmp(argv[1], "--tags") ? argv[2] : NULL;
    if (argc != 3 && !tags) {
        fprintf(stderr, "usage: limit [--tags FILE] BACKING MOUNTPOINT\n");
        return 64;
    }
    data_file = open(argv[argc - 2], O_RDWR | O_CLOEXEC);
    if (data_file < 0 || fstat(data_file, &disk_stat))
        fatal(argv[argc - 2]);
    if (disk_stat.st_size % BLOCK)
        fatal((errno = EINVAL, "the size is not of whole blocks"));
    disk_stat.st_ino = DISK;
    if (tags && (tag_file = open(tags, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        fatal(tags);
    if (RAND_bytes(key, sizeof key) != 1 || RAND_bytes(nonce_prefix, sizeof nonce_prefix) != 1
        || pthread_key_create(&worker_key, free_worker))
        fatal("initialization");
    for (int i = 0; i < REGIONS; i++)
        pthread_rwlock_init(&regions[i], NULL);
    return serve(argv[argc - 1]);
}
