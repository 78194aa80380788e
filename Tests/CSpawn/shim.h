#pragma once
// A call that Glibc's Swift module leaves out because it needs _GNU_SOURCE; declared here by hand,
// since defining the macro in a shim clashes with that module.
#include <spawn.h>

int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
