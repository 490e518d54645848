#!/bin/sh
# Plans of made-up clusters, by ours and by Pacemaker's crm_simulate in turn: CPU time and peak memory of the whole
# process, and the ratios. Usage: crm/policy/benches/peer.sh [NODES PRIMITIVES]...
#
# Ours is built with `cargo build --release -p cli`, or named in SYSTOLE; the peer is looked for in PATH, or named in PEER.
# A run that takes longer than LIMIT seconds (600) is given up.
set -eu

cd "$(dirname "$0")/../../.."
target=${CARGO_TARGET_DIR:-target}
ours=${SYSTOLE:-$target/release/systole}
peer=${PEER:-$(PATH=$PATH:/usr/sbin command -v crm_simulate || true)}
limit=${LIMIT:-600}

if [ -z "$peer" ]; then
    echo "peer.sh: Pacemaker's crm_simulate is missing; install the package pacemaker-cli-utils, or name the program in PEER" >&2
    exit 2
fi
if ! command -v python3 >/dev/null; then
    echo "peer.sh: python3 is missing, it reads CPU time and memory of the runs; install the package python3" >&2
    exit 2
fi
[ -n "${SYSTOLE:-}" ] || cargo build --quiet --release -p cli
[ $# -gt 0 ] || set -- 16 500 32 1000

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# CPU seconds and MB of a run, or a word why there are none.
measure() {
    LC_ALL=C TZ=UTC python3 - "$limit" "$work" "$@" <<'EOF'
import os, resource, subprocess, sys
limit, home, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
def bound():
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=bound,
                           cwd=home, env=dict(os.environ, CIB_shadow_dir=home))
_, status, used = os.wait4(process.pid, 0)
cpu = used.ru_utime + used.ru_stime
if status and cpu >= limit:
    print(f">{limit} -")
elif status:
    print("failed -")
else:
    print(f"{cpu:.3f} {used.ru_maxrss * 1024 / 1e6:.0f}")
EOF
}

ratio() {
    awk -v theirs="$1" -v ours="$2" 'BEGIN {
        more = sub(/^>/, "", theirs) ? ">" : ""
        if (theirs + 0 > 0 && ours + 0 > 0) printf "%s%.1f", more, theirs / ours; else printf "-"
    }'
}

echo "$("$peer" --version | head -n 1) ($peer)"
printf '%-7s %6s %11s %7s | %9s %9s %7s | %8s %8s %7s\n' \
    state nodes primitives 'XML MB' 'peer s' 'ours s' ratio 'peer MB' 'ours MB' ratio
while [ $# -ge 2 ]; do
    for state in steady lost cold; do
        file=$work/cib.xml
        cargo bench --quiet -p policy --bench plan -- write "$1" "$2" "$state" "$file"
        # shellcheck disable=SC2046 # two words each
        set -- "$1" "$2" $(measure "$peer" -x "$file" -R -Q -G "$work/graph") \
            $(measure "$ours" crm_simulate -x "$file" -R -Q -G "$work/graph") -- "$@"
        printf '%-7s %6s %11s %7s | %9s %9s %7s | %8s %8s %7s\n' "$state" "$1" "$2" \
            "$(awk -v bytes="$(wc -c <"$file")" 'BEGIN { printf "%.1f", bytes / 1e6 }')" \
            "$3" "$5" "$(ratio "$3" "$5")" "$4" "$6" "$(ratio "$4" "$6")"
        while [ "$1" != -- ]; do shift; done
        shift
    done
    shift 2
done
