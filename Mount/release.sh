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

# bounded COMMAND…: runs it quietly for ten seconds at most; best effort.
bounded() {
    timeout -k 2 10 "$@" >/dev/null 2>&1 || true
}

# answers POINT: whether a mount answers within three seconds, be it with an error. The probe is left
# behind if the kernel does not let it go.
answers() {
    local probe attempt
    timeout -k 1 3 stat -f -- "$1" >/dev/null 2>&1 &
    probe=$!
    for attempt in {1..50}; do
        if ! kill -0 "$probe" 2>/dev/null; then
            wait "$probe" || [[ $? -ne 124 && $? -ne 137 ]]
            return
        fi
        sleep 0.1
    done
    return 1
}

# abort_silent_below DIR: ends the kernel's connection of every sealdisk mount below a folder that
# does not answer, so that whoever waits in it goes on, with an error.
abort_silent_below() {
    local point device found
    while read -r point; do
        answers "$point" && continue
        while read -r device found; do
            printf -v found '%b' "$found"
            if [[ "$found" == "$point" && -w "/sys/fs/fuse/connections/${device#*:}/abort" ]]; then
                echo 1 >"/sys/fs/fuse/connections/${device#*:}/abort" || true
            fi
        done < <(sed -E 's/^\S+ \S+ (\S+) \S+ (\S+) .*$/\1 \2/' /proc/self/mountinfo)
    done < <(mounts_below "$1" fuse.sealdisk)
}

# release_devices_below DIR: unmounts what is mounted below a folder, but for sealdisk itself, and
# detaches the loop devices that stand on files there. Best effort, quiet, and bounded in time.
release_devices_below() {
    local item
    abort_silent_below "$1"
    while read -r item; do
        # Ours may be frozen for a snapshot, and a frozen file system is never unmounted.
        bounded fsfreeze --unfreeze "$item"
        bounded umount "$item"
    done < <(mounts_below "$1" | grep -vxF -f <(mounts_below "$1" fuse.sealdisk) || true)
    while read -r item; do
        bounded losetup --detach "$item"
    done < <(loops_below "$1")
}

# release_below DIR: the same, and then what the devices stood on.
release_below() {
    local item
    release_devices_below "$1"
    while read -r item; do
        timeout -k 2 10 umount "$item" 2>/dev/null || bounded umount --lazy "$item"
    done < <(mounts_below "$1")
    # What was unmounted lazily may have kept some.
    while read -r item; do
        bounded losetup --detach "$item"
    done < <(loops_below "$1")
}

# processes_of DIR: those that were started with DIR as their TMPDIR, whoever is their parent now.
processes_of() {
    local file
    while read -r file; do
        file="${file#/proc/}"
        printf '%s\n' "${file%/environ}"
    done < <(grep -lzxF -e "TMPDIR=$1" /proc/[0-9]*/environ 2>/dev/null || true)
}

# end_processes_of DIR [NAME]: ends them, or those that do not have that name: kindly, and after five
# seconds for certain.
end_processes_of() {
    local attempt process signal=TERM left
    for attempt in {1..30}; do
        left=""
        [[ "$attempt" -lt 26 ]] || signal=KILL
        while read -r process; do
            # A subshell of this script may have gone already.
            if [[ $# -gt 1 && "$(cat "/proc/$process/comm" 2>/dev/null)" == "$2" ]]; then
                continue
            fi
            if [[ "$attempt" -eq 1 || "$signal" == KILL ]]; then
                kill -s "$signal" "$process" 2>/dev/null || true
            fi
            left=1
        done < <(processes_of "$1")
        [[ -n "$left" ]] || return 0
        sleep 0.2
    done
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
