#pragma once
// Declarations alone: librados is loaded while the program runs, by the one who has a store there,
// and is not linked. Each field is the function of librados of that name.
#include <rados/librados.h>

struct sealdisk_rados {
    __typeof__(&rados_create2) _Nonnull create2;
    __typeof__(&rados_conf_read_file) _Nonnull conf_read_file;
    __typeof__(&rados_conf_set) _Nonnull conf_set;
    __typeof__(&rados_connect) _Nonnull connect;
    __typeof__(&rados_shutdown) _Nonnull shutdown;
    __typeof__(&rados_get_instance_id) _Nonnull get_instance_id;
    __typeof__(&rados_cluster_stat) _Nonnull cluster_stat;
    __typeof__(&rados_mon_command) _Nonnull mon_command;
    __typeof__(&rados_buffer_free) _Nonnull buffer_free;
    __typeof__(&rados_wait_for_latest_osdmap) _Nonnull wait_for_latest_osdmap;
    __typeof__(&rados_blocklist_add) _Nonnull blocklist_add;
    __typeof__(&rados_getaddrs) _Nonnull getaddrs;
    __typeof__(&rados_ioctx_create) _Nonnull ioctx_create;
    __typeof__(&rados_ioctx_destroy) _Nonnull ioctx_destroy;
    __typeof__(&rados_ioctx_set_namespace) _Nonnull ioctx_set_namespace;
    __typeof__(&rados_set_pool_full_try) _Nonnull set_pool_full_try;
    __typeof__(&rados_read) _Nonnull read;
    __typeof__(&rados_write) _Nonnull write;
    __typeof__(&rados_remove) _Nonnull remove;
    __typeof__(&rados_stat) _Nonnull stat;
    __typeof__(&rados_create_write_op) _Nonnull create_write_op;
    __typeof__(&rados_release_write_op) _Nonnull release_write_op;
    __typeof__(&rados_write_op_create) _Nonnull write_op_create;
    __typeof__(&rados_write_op_write) _Nonnull write_op_write;
    __typeof__(&rados_write_op_zero) _Nonnull write_op_zero;
    __typeof__(&rados_write_op_remove) _Nonnull write_op_remove;
    __typeof__(&rados_write_op_exec) _Nonnull write_op_exec;
    __typeof__(&rados_write_op_omap_cmp2) _Nonnull write_op_omap_cmp2;
    __typeof__(&rados_write_op_omap_set2) _Nonnull write_op_omap_set2;
    __typeof__(&rados_write_op_omap_rm_keys2) _Nonnull write_op_omap_rm_keys2;
    __typeof__(&rados_write_op_operate) _Nonnull write_op_operate;
    __typeof__(&rados_create_read_op) _Nonnull create_read_op;
    __typeof__(&rados_release_read_op) _Nonnull release_read_op;
    __typeof__(&rados_read_op_omap_get_vals2) _Nonnull read_op_omap_get_vals2;
    __typeof__(&rados_read_op_omap_get_vals_by_keys2) _Nonnull read_op_omap_get_vals_by_keys2;
    __typeof__(&rados_read_op_operate) _Nonnull read_op_operate;
    __typeof__(&rados_omap_get_next2) _Nonnull omap_get_next2;
    __typeof__(&rados_omap_get_end) _Nonnull omap_get_end;
    __typeof__(&rados_aio_create_completion2) _Nonnull aio_create_completion2;
    __typeof__(&rados_aio_release) _Nonnull aio_release;
    __typeof__(&rados_aio_wait_for_complete) _Nonnull aio_wait_for_complete;
    __typeof__(&rados_aio_get_return_value) _Nonnull aio_get_return_value;
    __typeof__(&rados_aio_read) _Nonnull aio_read;
    __typeof__(&rados_write_op_truncate) _Nonnull write_op_truncate;
    __typeof__(&rados_aio_write_op_operate) _Nonnull aio_write_op_operate;
    __typeof__(&rados_aio_remove) _Nonnull aio_remove;
    __typeof__(&rados_lock_exclusive) _Nonnull lock_exclusive;
    __typeof__(&rados_break_lock) _Nonnull break_lock;
    __typeof__(&rados_list_lockers) _Nonnull list_lockers;
};
