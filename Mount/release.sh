# shellcheck shell=bash
# Sourced by Mount/quickstart and Tests/run: gives back what a script mounted and attached.

# mounts_below DIR [TYPE]: the mount points below a folder, the latest first.
mounts_below() {
    local point type
    while read -r point type; do
        printf -v point '%b' "$point"
        if [[ "$point" == "$1"/* && ($# -lt 2 || "$type" == "$2") ]]; then
            printf '%s\n' "$point"
        fi
    done < <(sed -E 's/^\S+ \S+ \S+ \S+ (\S+) .* - (\S+) .*$/\1 \2/' /proc/self/mountinfo | tac)
}

# loops_below DIR: the loop devices whose backing file lies below a folder.
loops_below() {
    local device file
    while read -r device file; do
        printf -v file '%b' "$file"
        if [[ "$file" == "$1"/* ]]; then
            printf '%s\n' "$device"
        fi
    done < <(losetup --list --noheadings --raw --output NAME,BACK-FILE 2>/dev/null)
}

# release_devices_below DIR: unmounts what is mounted below a folder, but for sealdisk itself, and
# detaches the loop devices that stand on files there. Best effort, quiet.
release_devices_below() {
    local item
    while read -r item; do
        # Ours may be frozen for a snapshot, and a frozen file system is never unmounted.
        fsfreeze --unfreeze "$item" 2>/dev/null || true
        umount "$item" 2>/dev/null || true
    done < <(mounts_below "$1" | grep -vxF -f <(mounts_below "$1" fuse.sealdisk) || true)
    while read -r item; do
        losetup --detach "$item" 2>/dev/null || true
    done < <(loops_below "$1")
}

# release_below DIR: the same, and then what the devices stood on.
release_below() {
    local item
    release_devices_below "$1"
    while read -r item; do
        umount "$item" 2>/dev/null || umount --lazy "$item" 2>/dev/null || true
    done < <(mounts_below "$1")
}

# remove_folder DIR: removes a folder with nothing mounted in it. The process that served a mount
# may take a moment to write its last there after the mount is gone.
remove_folder() {
    local attempt
    for attempt in 1 2 3 4 5; do
        rm -rf --one-file-system "$1" 2>/dev/null && return 0
        sleep "$attempt"
    done
    rm -rf --one-file-system "$1"
}
