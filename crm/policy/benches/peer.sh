#!/bin/sh
# Whole processes, ours and Pacemaker's crm_simulate in turn: CPU time, peak memory, and the ratios. `cargo bench -p policy`
# runs it; alone it wants to know the benchmark program, which writes the clusters, in BENCH.
#
#   SYSTOLE  ours; without it, `cargo build --release -p cli` builds it
#   PEER     the peer; without it, crm_simulate is looked for in PATH; without any, ours is measured alone
#   CORPUS   a directory of CIBs that are all planned as well, as `--profile` does it
#   LIMIT    seconds of CPU after which a run is given up (120)
set -eu

cd "$(dirname "$0")/../../.."
target=${CARGO_TARGET_DIR:-target}
ours=${SYSTOLE:-$target/release/systole}
peer=${PEER:-$(PATH=$PATH:/usr/sbin command -v crm_simulate || true)}
limit=${LIMIT:-120}

if [ -z "${BENCH:-}" ]; then
    echo "peer.sh: BENCH names no program; run it by: cargo bench -p policy -- peer" >&2
    exit 2
fi
if ! command -v python3 >/dev/null; then
    echo "peer.sh: python3 is missing, it reads CPU time and memory of the runs; install the package python3" >&2
    exit 2
fi
[ -n "${SYSTOLE:-}" ] || cargo build --quiet --release -p cli
if [ -n "$peer" ]; then
    echo "ours against $("$peer" --version | head -n 1) ($peer)"
else
    echo "ours alone: Pacemaker's crm_simulate is missing; install the package pacemaker-cli-utils, or name it in PEER"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
file=$work/cib.xml

# CPU seconds and MB of the best run, or a word why there are none.
measure() {
    [ -n "$1" ] || { echo "- -"; return; }
    LC_ALL=C TZ=UTC python3 - "$limit" "$work" "$@" <<'EOF'
import os, resource, subprocess, sys
limit, home, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
def bound():
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
def run():
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=bound,
                               cwd=home, env=dict(os.environ, CIB_shadow_dir=home))
    _, status, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6, status
# The first run of a program pays for fresh memory and cold caches: of short ones, the best of three counts.
runs = []
while len(runs) < 3 and sum(cpu for cpu, _, _ in runs) < 10:
    runs.append(run())
cpu, memory, status = min(runs)
if status and cpu >= limit:
    print(f">{limit} -")
elif status:
    print("failed -")
else:
    print(f"{cpu:.3f} {memory:.0f}")
EOF
}

ratio() {
    awk -v theirs="$1" -v ours="$2" 'BEGIN {
        more = sub(/^>/, "", theirs) ? ">" : ""
        if (theirs + 0 > 0 && ours + 0 > 0) printf "%s%.1f", more, theirs / ours; else printf "-"
    }'
}

line='%-25s %7s | %9s %9s %7s | %8s %8s %7s\n'

# row WHAT MB PEERS-SECONDS PEERS-MB OUR-SECONDS OUR-MB
row() {
    # shellcheck disable=SC2059 # the form of every line
    printf "$line" "$1" "$2" "$3" "$5" "$(ratio "$3" "$5")" "$4" "$6" "$(ratio "$4" "$6")"
}

# shellcheck disable=SC2059 # the form of every line
printf "$line" 'CPU and memory' 'XML MB' 'peer s' 'ours s' ratio 'peer MB' 'ours MB' ratio
if [ -n "${CORPUS:-}" ]; then
    size=$(cat "$CORPUS"/*.xml | wc -c | awk '{ printf "%.1f", $1 / 1e6 }')
    # shellcheck disable=SC2046 # two words each
    row "corpus, ten times" "$size" $(measure "$peer" --profile "$CORPUS" -N 10) \
        $(measure "$ours" crm_simulate --profile "$CORPUS" -N 10)
else
    echo "corpus: no directory of CIBs is named in CORPUS"
fi
for cluster in '32 1000 steady' '32 1000 lost' '32 1000 cold' '100 1000 steady' '100 1000 cold' '100 5000 steady'; do
    # shellcheck disable=SC2086 # nodes, primitives, state
    "$BENCH" write $cluster "$file"
    size=$(wc -c <"$file" | awk '{ printf "%.1f", $1 / 1e6 }')
    # shellcheck disable=SC2046 # two words each
    row "$(echo "$cluster" | sed 's/ / x /')" "$size" $(measure "$peer" -x "$file" -R -Q -G "$work/graph") \
        $(measure "$ours" crm_simulate -x "$file" -R -Q -G "$work/graph")
done
"$BENCH" write 16 200 steady "$file"
size=$(wc -c <"$file" | awk '{ printf "%.1f", $1 / 1e6 }')
# shellcheck disable=SC2046 # two words
row "16 x 200 --all-failures" "$size" - - $(measure "$ours" simulate "$file" --all-failures --force)
