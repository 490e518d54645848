#!/usr/bin/env bash
# What one call of an agent costs, ours beside the shell agents of Debian's package resource-agents.
# Usage: benches/monitor.sh PROGRAM [CALLS]      PROGRAM is systole-agents; CALLS of each, 100 unless told
# Prints wall and CPU milliseconds per call. Works in namespaces of its own, as root or without.
set -eu
program=$(realpath "$1") calls=${2:-100}
if [ -z "${INSIDE:-}" ]; then
    user=; [ "$(id -u)" = 0 ] || user="--user --map-root-user"
    INSIDE=1 exec unshare $user --net --mount "$0" "$program" "$calls"
fi
heartbeat=/usr/lib/ocf/resource.d/heartbeat
[ -x $heartbeat/IPaddr2 ] || { echo "needs the package resource-agents to compare with" >&2; exit 1; }
work=$(mktemp -d); trap 'umount "$work/mnt" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/data" "$work/mnt" "$work/bin"
# The shell agent wants to see modprobe, and never calls it here.
printf '#!/bin/sh\n' >"$work/bin/modprobe"; chmod +x "$work/bin/modprobe"
export PATH="$work/bin:/usr/sbin:/usr/bin:/sbin:/bin" OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=bench HA_RSCTMP=$work/run
export OCF_RESKEY_CRM_meta_interval=10000 OCF_RESKEY_CRM_meta_timeout=20000
ip link set lo up
ip link add port0 type veth peer name port1
ip link set port1 up
ip link set port0 up
ip address add 192.0.2.1/24 dev port0

measure() { # NAME COMMAND...
    local name=$1; shift
    local n times
    times=$( { TIMEFORMAT='%R %U %S'; time for ((n = 0; n < calls; n++)); do "$@" >/dev/null 2>&1 || exit 1; done; } 2>&1 ) ||
        { echo "$name failed: $*" >&2; exit 1; }
    echo "$times" | awk -v name="$name" -v calls="$calls" \
        '{ printf "%-32s wall %7.2f ms   CPU %7.2f ms\n", name, $1 * 1000 / calls, ($2 + $3) * 1000 / calls }'
}

export OCF_RESKEY_ip=192.0.2.7 OCF_RESKEY_nic=port0
"$program" IPaddr2 start 2>/dev/null
for round in 1 2; do
    measure "IPaddr2 monitor, shell" $heartbeat/IPaddr2 monitor
    measure "IPaddr2 monitor, ours" "$program" IPaddr2 monitor
done
unset OCF_RESKEY_ip OCF_RESKEY_nic
export OCF_RESKEY_device=$work/data OCF_RESKEY_directory=$work/mnt OCF_RESKEY_fstype=none OCF_RESKEY_options=bind
"$program" Filesystem start 2>/dev/null
for round in 1 2; do
    measure "Filesystem monitor, shell" $heartbeat/Filesystem monitor
    measure "Filesystem monitor, ours" "$program" Filesystem monitor
done
