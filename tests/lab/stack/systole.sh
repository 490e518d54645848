#!/bin/bash
# Stack hook: Systole on Corosync, for the lab that other resource managers are measured in. See lib.sh there for the
# verbs; put this file, or a link to it, into its stacks/.
#
# SYSTOLE_BIN: directory with systoled, systole and systole-agents; default: what cargo built with --release beside
#   this file's workspace. The nodes see it under the same path, so it must not be below /run, /tmp or /var/log.
# SYSTOLE_AGENTS=shell: Debian's resource agents instead of our own of the same names, Pacemaker's Dummy among them.
set -u
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "${LABDIR:?}/stacks/lib.sh"
bin=${SYSTOLE_BIN:-$here/../../../target/release}
log=/var/log/pacemaker/pacemaker.log    # this one the lab keeps with its raw records
state=/var/lib/pacemaker/systole        # and this directory of a node survives a crash

systole() { # systole NODE ARGS...: the command, inside of NODE
    local n=$1
    shift
    node_exec "$n" "$bin/systole" "$@"
}

# change NODE SECTION NAME VALUE: an nvpair in a section of the configuration
change() {
    systole "$1" cib show --configuration | /usr/bin/python3 -SE -c '
import sys
import xml.etree.ElementTree as ET
section, name, value = sys.argv[1:]
cib = ET.parse(sys.stdin).getroot()
top = cib.find("configuration/" + section)
if top is None:
    top = ET.SubElement(cib.find("configuration"), section)
pairs = top.find("meta_attributes")
if pairs is None:
    pairs = ET.SubElement(top, "meta_attributes", id=section + "-options")
pair = next((p for p in pairs.iter("nvpair") if p.get("name") == name), None)
if pair is None:
    pair = ET.SubElement(pairs, "nvpair", id=section + "-options-" + name, name=name)
pair.set("value", value)
print(ET.tostring(cib, encoding="unicode"))' "$2" "$3" "$4" | systole "$1" cib apply - >/dev/null
}

verb=$1
shift
case $verb in
start)
    node_exec "$1" sh -c '
        bin=$1 log=$2 agents=$3
        mkdir -p /run/systole/ocf/resource.d "$(dirname "$log")"
        ln -sfn /usr/lib/ocf/lib /run/systole/ocf/lib
        if [ "$agents" != shell ]; then
            "$bin/systole-agents" install --heartbeat /run/systole/ocf >/dev/null || exit 1
            mkdir -p /run/systole/ocf/resource.d/pacemaker
            ln -sfn ../systole/Dummy /run/systole/ocf/resource.d/pacemaker/Dummy
        fi
        for provider in /usr/lib/ocf/resource.d/*; do
            mkdir -p "/run/systole/ocf/resource.d/${provider##*/}"
            for agent in "$provider"/* "$provider"/.ocf-*; do    # agents read these by this place
                to=/run/systole/ocf/resource.d/${provider##*/}/${agent##*/}
                [ -e "$to" ] || [ ! -e "$agent" ] || ln -s "$agent" "$to"
            done
        done' sh "$bin" "$log" "${SYSTOLE_AGENTS:-own}" || exit 1
    # HA_RSCTMP: the lab looks for what Dummy remembers where Pacemaker's does
    node_daemon "$1" "$log" env HA_RSCTMP=/run "$bin/systoled" run --engine corosync --cluster lab --state "$state" \
        --socket /run/systole/systoled.sock --ocf-root /run/systole/ocf --fence-agents /usr/sbin
    ;;
stop)
    node_exec "$1" sh -c 'kill -TERM $(pgrep -x systoled)' || exit 1     # only asks
    while node_exec "$1" pgrep -x systoled >/dev/null; do sleep 0.05; done
    ;;
ready)
    deadline=$((SECONDS + 180))
    first=$1
    for n in "$@"; do
        until [ $SECONDS -ge $deadline ]; do
            s=$("$0" status "$first" 2>/dev/null)
            case ",$(sed 's/.*online=\([^ ]*\).*/\1/' <<<"$s")," in
            *",$n,"*) case $s in settled=1*) continue 2 ;; esac ;;
            esac
            sleep 0.3
        done
        echo "not ready: $n: ${s:-}" >&2
        exit 1
    done
    ;;
load)
    # whatever epoch the file comes without: it is what is wanted now
    { echo '<cib validate-with="pacemaker-3.9">'; cat "$2"; echo '</cib>'; } |
        systole "$1" cib apply --force - >/dev/null
    ;;
status)
    systole "$1" status --json | /usr/bin/python3 -SE -c '
import json, sys
s = json.load(sys.stdin)
on, standby, off = [], [], []
for n in s["nodes"]:
    if not n["online"] or n["unclean"]:
        off.append(n["name"])
    else:
        (standby if n["standby"] else on).append(n["name"])
def primitives(resources):
    for r in resources:
        if r["kind"] == "primitive":
            yield r
        yield from primitives(r["members"])
res = ["%s:%s" % (r["id"], "+".join(r["nodes"] + (["failed"] if r["failed"] else []))) for r in primitives(s["resources"])]
settled = s["quiet"] and s["synced"] and not s["planned"] and s["coordinator"]
print("settled=%d dc=%s online=%s standby=%s offline=%s res=%s" % (
    bool(settled), s["coordinator"] or "", ",".join(on), ",".join(standby), ",".join(off), ",".join(res)))'
    ;;
move) systole "$1" move "$2" "$3" >/dev/null ;;
unmove) systole "$1" clear "$2" >/dev/null ;;
standby)
    if [ "$3" = on ]; then
        systole "$1" standby "$2" >/dev/null
    else
        systole "$1" unstandby "$2" >/dev/null
    fi
    ;;
cleanup) systole "$1" cleanup >/dev/null 2>&1 ;;
defaults) change "$1" rsc_defaults "$2" "$3" ;;
update) systole "$1" crm_attribute --node "$1" --name "$2" --update "$3" ;;
version) "$bin/systoled" --version ;;
*)
    echo "unknown verb $verb" >&2
    exit 2
    ;;
esac
