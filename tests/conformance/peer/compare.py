#!/usr/bin/env python3
"""Compares the decisions of two programs with crm_simulate's command line on CIBs and on mutants of them.

  compare.py --ours "target/release/systole crm_simulate" [--peer crm_simulate] [--mutants N] [--seed S]
             [--expected DIR] [--keep DIR] CIB...

Each CIB is planned by both; what is compared is the set of actions (kind, operation key, node), their order, or with
--order also what each waits for. A mutant is a CIB with one thing changed: a node lost, in standby or in maintenance,
an operation failed, a resource unmanaged, a stickiness, score or option changed. Mutants are made only of CIBs on
which both agree, since releases differ; with --expected DIR, a folder of recorded graphs NAME.exp, the peer must agree
with the record as well. Exit status: 0 no difference, 1 differences, 2 usage or a missing program.

Needs Python 3 alone, and a crm_simulate (Debian: pacemaker-cli-utils).
"""

import argparse
import copy
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

TIMEOUT_S = 60
ACTIONS = ("rsc_op", "pseudo_event", "crm_event")
# Words that one release writes and the other does not know; both mean the same.
OPTION_NAMES = {"fencing-enabled": "stonith-enabled", "fencing-action": "stonith-action",
                "fencing-timeout": "stonith-timeout"}


def plan(command, path, now=None):
    """The graph a program plans: (exit status, action -> set of actions it waits for)."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as graph:
        arguments = shlex.split(command) + ["-x", path, "-G", graph.name, "-SQ"]
        try:
            done = subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=TIMEOUT_S,
                                  env={**os.environ, "CIB_shadow": ""})
        except subprocess.TimeoutExpired:
            return "time-out", {}
        try:
            root = ET.parse(graph.name).getroot()
        except ET.ParseError:
            if done.returncode < 0:
                return f"signal {-done.returncode}", {}
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            return f"no graph, status {done.returncode} {last}", {}
    # Pacemaker may give up when it carries a plan out in simulation; the plan stands.
    return max(done.returncode, 0), read(root)


def read(root):
    names, inputs = {}, {}
    for synapse in root.iter("synapse"):
        for action in synapse.find("action_set") or []:
            if action.tag in ACTIONS:
                name = (action.tag, action.get("internal_operation_key") or action.get("operation_key"),
                        action.get("operation"), action.get("on_node"))
                names[action.get("id")] = name
                inputs[action.get("id")] = [trigger[0].get("id") for trigger in synapse.iter("trigger")]
    return {names[key]: {names[one] for one in before if one in names} for key, before in inputs.items()}


def load(path):
    root = ET.parse(path).getroot()
    for pair in root.iter("nvpair"):
        pair.set("name", OPTION_NAMES.get(pair.get("name"), pair.get("name") or ""))
    return root


def resources(root):
    return [one for one in root.iter() if one.tag in ("primitive", "group", "clone", "master", "bundle")]


def meta(element, name, value):
    block = element.find("meta_attributes")
    if block is None:
        block = ET.Element("meta_attributes", id=f"mutant-{element.get('id')}-meta")
        # The schema wants it before what is contained.
        element.insert(0 if element.tag != "bundle" else len(element), block)
    for pair in block.findall("nvpair"):
        if pair.get("name") == name:
            pair.set("value", value)
            return
    ET.SubElement(block, "nvpair", id=f"mutant-{element.get('id')}-{name}", name=name, value=value)


def option(root, name, value):
    block = root.find("configuration/crm_config")
    sets = block.findall("cluster_property_set")
    properties = sets[0] if sets else ET.SubElement(block, "cluster_property_set", id="mutant-options")
    for pair in block.iter("nvpair"):
        if pair.get("name", "").replace("_", "-") == name:
            pair.set("value", value)
            return
    ET.SubElement(properties, "nvpair", id=f"mutant-{name}", name=name, value=value)


def node_attribute(node, name, value):
    block = node.find("instance_attributes")
    if block is None:
        block = ET.SubElement(node, "instance_attributes", id=f"mutant-{node.get('id')}-attributes")
    for pair in block.findall("nvpair"):
        if pair.get("name") == name:
            pair.set("value", value)
            return
    ET.SubElement(block, "nvpair", id=f"mutant-{node.get('id')}-{name}", name=name, value=value)


def fail(entry, rc, status="0"):
    entry.set("rc-code", rc)
    entry.set("op-status", status)
    key = entry.get("transition-key") or "1:1:0:11111111-2222-3333-4444-555555555555"
    entry.set("transition-magic", f"{status}:{rc};{key}")


def mutate(root, chance):
    """Changes one thing; says what, or None if that kind of change has nothing to change here."""
    nodes = root.findall("configuration/nodes/node")
    states = [state for state in root.findall("status/node_state") if state.get("crmd") in ("online", "1")]
    history = list(root.iter("lrm_rsc_op"))
    kind = chance.choice(["node-down", "node-gone", "standby", "maintenance", "start-fail", "stop-fail",
                          "monitor-fail", "unmanaged", "stickiness", "score", "target-role", "option", "probe-found",
                          "history-lost", "threshold", "constraint-gone"])
    if kind in ("node-down", "node-gone") and states:
        state = chance.choice(states)
        for name, value in (("in_ccm", "false"), ("crmd", "offline")):
            state.set(name, value)
        state.set("join", "member" if kind == "node-down" else "down")
        state.set("expected", state.get("join"))
        return f"{kind} {state.get('uname')}"
    if kind in ("standby", "maintenance") and nodes:
        node = chance.choice(nodes)
        node_attribute(node, kind, "true")
        return f"{kind} {node.get('uname')}"
    operation = {"start-fail": "start", "stop-fail": "stop", "monitor-fail": "monitor"}.get(kind)
    if operation:
        entries = [one for one in history if one.get("operation") == operation]
        if operation == "monitor":
            entries = [one for one in entries if one.get("interval") not in (None, "0")]
        if entries:
            entry = chance.choice(entries)
            fail(entry, chance.choice(["1", "7", "5"]) if operation == "monitor" else "1")
            return f"{kind} {entry.get('id')}"
        return None
    if kind == "probe-found":
        entries = [one for one in history if one.get("operation") == "monitor" and one.get("rc-code") == "7"
                   and one.get("interval") in (None, "0")]
        if entries:
            entry = chance.choice(entries)
            fail(entry, "0")
            return f"{kind} {entry.get('id')}"
        return None
    if kind == "history-lost":
        owners = [one for one in root.iter("lrm_resources") if len(one)]
        if owners:
            owner = chance.choice(owners)
            gone = chance.choice(list(owner))
            owner.remove(gone)
            return f"{kind} {gone.get('id')}"
        return None
    if kind == "score":
        constraints = [one for one in root.findall("configuration/constraints/*") if one.get("score")]
        if constraints:
            one = chance.choice(constraints)
            one.set("score", chance.choice(["INFINITY", "-INFINITY", "0", "1", "-1", "100", "-2000"]))
            return f"{kind} {one.get('id')} {one.get('score')}"
        return None
    if kind == "constraint-gone":
        constraints = root.find("configuration/constraints")
        if constraints is not None and len(constraints):
            gone = chance.choice(list(constraints))
            constraints.remove(gone)
            return f"{kind} {gone.get('id')}"
        return None
    if kind == "option":
        name, value = chance.choice([
            ("no-quorum-policy", "stop"), ("no-quorum-policy", "freeze"), ("no-quorum-policy", "ignore"),
            ("no-quorum-policy", "demote"), ("symmetric-cluster", "false"), ("stonith-enabled", "false"),
            ("start-failure-is-fatal", "false"), ("stop-all-resources", "true"), ("maintenance-mode", "true"),
            ("enable-startup-probes", "false"), ("placement-strategy", "balanced"),
            ("placement-strategy", "utilization"), ("have-quorum", "")])
        if name == "have-quorum":
            root.set(name, "0" if root.get(name) in ("1", "true") else "1")
            return f"have-quorum {root.get(name)}"
        option(root, name, value)
        return f"{name} {value}"
    some = resources(root)
    if not some:
        return None
    one = chance.choice(some)
    name, value = {"unmanaged": ("is-managed", "false"), "threshold": ("migration-threshold", "1"),
                   "stickiness": ("resource-stickiness", chance.choice(["0", "1", "100", "INFINITY"])),
                   "target-role": ("target-role", chance.choice(["Stopped", "Started", "Slave", "Master"]))}.get(
                       kind, (None, None))
    if name is None:
        return None
    meta(one, name, value)
    return f"{kind} {one.get('id')} {value}"


def differences(ours, theirs, order):
    """What one has and the other has not, or None."""
    (our_status, our_plan), (their_status, their_plan) = ours, theirs
    lines = []
    if isinstance(our_status, str) or (our_status == 0) != (their_status == 0):
        lines.append(f"exit: ours {our_status}, the peer {their_status}")
    describe = lambda one: f"{one[1]}{' (cancel)' if one[2] == 'cancel' else ''} on {one[3]}"
    for one in sorted(set(our_plan) - set(their_plan), key=str):
        lines.append(f"only ours: {describe(one)}")
    for one in sorted(set(their_plan) - set(our_plan), key=str):
        lines.append(f"only the peer: {describe(one)}")
    if order and not lines:
        for one in sorted(our_plan, key=str):
            for before in sorted(our_plan[one] ^ their_plan[one], key=str):
                who = "ours" if before in our_plan[one] else "the peer"
                lines.append(f"only {who}: {describe(one)} after {describe(before)}")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--peer", default="crm_simulate")
    parser.add_argument("--mutants", type=int, default=0, metavar="N", help="mutants of each CIB")
    parser.add_argument("--steps", type=int, default=1, help="changes in each mutant")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--order", action="store_true", help="compare what each action waits for as well")
    parser.add_argument("--expected", metavar="DIR", help="recorded graphs the peer must agree with")
    parser.add_argument("--keep", metavar="DIR", help="where to leave inputs on which they differ")
    parser.add_argument("cibs", nargs="+")
    options = parser.parse_args()
    if not shutil.which(shlex.split(options.peer)[0]):
        print(f"{options.peer} is missing: on Debian, install pacemaker-cli-utils", file=sys.stderr)
        return 2
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)

    compared = skipped = different = 0
    scratch = tempfile.mkdtemp(prefix="peer-")

    def judge(name, root):
        """True if both decide the same."""
        nonlocal compared, different, skipped
        path = os.path.join(scratch, "cib.xml")
        ET.ElementTree(root).write(path)
        theirs = plan(options.peer, path)
        if isinstance(theirs[0], str):
            ours = plan(options.ours, path)
            skipped += 1
            if isinstance(ours[0], str) and not ours[0].startswith("no graph"):
                print(f"{name}: ours {ours[0]} (the peer: {theirs[0]})", flush=True)
            return False
        compared += 1
        lines = differences(plan(options.ours, path), theirs, options.order)
        if lines:
            different += 1
            print(f"{name}", *lines, sep="\n    ", flush=True)
            if options.keep:
                shutil.copy(path, os.path.join(options.keep, name.replace("/", "_").replace(" ", "_") + ".xml"))
        return not lines

    try:
        for path in options.cibs:
            name = os.path.splitext(os.path.basename(path))[0]
            if name == "cib":
                name = os.path.basename(os.path.dirname(path))
            root = load(path)
            if options.expected:
                record = os.path.join(options.expected, name + ".exp")
                written = os.path.join(scratch, "original.xml")
                ET.ElementTree(root).write(written)
                if not os.path.exists(record) or read(ET.parse(record).getroot()).keys() != plan(
                        options.peer, written)[1].keys():
                    skipped += 1
                    continue
            elif not judge(name, root):
                continue
            # A row of numbers for each CIB: adding one changes nothing for the others.
            chance = random.Random(f"{options.seed} {name}")
            for number in range(options.mutants):
                mutant = copy.deepcopy(root)
                said = [said for _ in range(options.steps) for said in [mutate(mutant, chance)] if said]
                if said:
                    judge(f"{name} {number} {', '.join(said)}", mutant)
    finally:
        shutil.rmtree(scratch)
    print(f"{compared} compared, {different} different, {skipped} left out: the peer does not plan them, or not as recorded")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
