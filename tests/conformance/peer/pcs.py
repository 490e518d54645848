#!/usr/bin/env python3
"""Records what Debian's pcs makes of the command lines in cases/cli, which the test `cli` holds ours against.

    peer/pcs.py record [CASE…]   runs pcs -f on each case and writes expected.txt and after.xml
    peer/pcs.py agents           writes down what the agents that the cases use offer: names, flags, actions
    peer/pcs.py bench PROGRAM    measures the processor time of `resource create … -f`, ours and pcs's in turn

A case is a folder with `commands`, one command line a line without its first word. All run one after the other on a copy of
base.xml, its own or that of all. With `live` instead of `commands` they run without -f on a copy of running.xml, as on a
cluster: Pacemaker's tools are given that file, and whenever pcs waits for the cluster, crm_simulate does what it would do.
No cluster is needed, but pcs, Pacemaker's tools and the agents are.
"""

import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CASES = Path(__file__).resolve().parents[1] / "cases" / "cli"
AGENTS = [
    ("ocf", "heartbeat", "Dummy"),
    ("ocf", "heartbeat", "IPaddr2"),
    ("ocf", "heartbeat", "Filesystem"),
    ("ocf", "heartbeat", "nfsserver"),
    ("ocf", "heartbeat", "exportfs"),
    ("ocf", "pacemaker", "Dummy"),
    ("ocf", "pacemaker", "Stateful"),
    ("ocf", "pacemaker", "remote"),
    ("stonith", None, "fence_ipmilan"),
]


def configuration(path):
    """The configuration alone, each element's attributes sorted, one element a line."""
    found = tree.parse(path).getroot().find("configuration")
    for one in found.iter():
        one.text = one.tail = None
        attributes = sorted(one.attrib.items())
        one.attrib.clear()
        one.attrib.update(attributes)
    tree.indent(found)
    return tree.tostring(found, encoding="unicode") + "\n"


# Stands in for each of Pacemaker's tools: gives it the file, and is the cluster when there is one to be waited for.
TOOL = """#!/bin/bash
export CIB_file=${{CIB_file:-{cib}}}
case "${{0##*/}} $*" in
"crm_resource --wait"*)
    for turn in 1 2 3; do {tools}/crm_simulate -x "$CIB_file" -S -O "$CIB_file" >/dev/null || exit 1; done
    exit 0 ;;
*) exec {tools}/"${{0##*/}}" "$@" ;;
esac
"""
# pcs itself, with those tools.
PCS = """
import os, sys
from pcs import settings
theirs, ours = settings.pacemaker_binaries, sys.argv.pop(1)
for name, value in vars(settings).items():
    if isinstance(value, str) and os.path.dirname(value) == theirs:
        setattr(settings, name, os.path.join(ours, os.path.basename(value)))
settings.pacemaker_binaries = ours
from pcs import app
app.main(sys.argv[1:])
"""


def cluster(place, cib):
    """The first words of a command line of pcs that takes a file for a cluster."""
    tools = subprocess.run(["/usr/bin/python3", "-c", "from pcs import settings; print(settings.pacemaker_binaries)"],
                           capture_output=True, text=True, check=True).stdout.strip()
    ours = os.path.join(place, "tools")
    os.mkdir(ours)
    for name in ["cibadmin", "crm_attribute", "crm_diff", "crm_mon", "crm_node", "crm_resource", "crm_rule", "crm_simulate",
                 "crm_verify", "stonith_admin"]:
        path = os.path.join(ours, name)
        Path(path).write_text(TOOL.format(cib=cib, tools=tools))
        os.chmod(path, 0o755)
    return ["/usr/bin/python3", "-c", PCS, ours]


def record(case):
    with tempfile.TemporaryDirectory() as place:
        cib = os.path.join(place, "cib.xml")
        live = (case / "live").exists()
        own = case / "base.xml"
        shutil.copy(CASES / "running.xml" if live else own if own.exists() else CASES / "base.xml", cib)
        pcs = cluster(place, cib) if live else ["pcs", "-f", cib]
        lines = []
        for command in (case / ("live" if live else "commands")).read_text().splitlines():
            before = configuration(cib)
            words = shlex.split(command)
            ended = subprocess.run([*pcs, *words], capture_output=True, text=True)
            if os.environ.get("VERBOSE"):
                print(f"$ {command}", ended.stderr, sep="\n", flush=True)
            changed = "changed" if configuration(cib) != before else "unchanged"
            lines.append(f"$ {command}")
            lines += [f"| {line}" for line in ended.stdout.splitlines()]
            lines.append(f"exit {ended.returncode}, {changed}")
        (case / "expected.txt").write_text("\n".join(lines) + "\n")
        (case / "after.xml").write_text(configuration(cib))
    print(case.name, flush=True)


def agents():
    for standard, provider, name in AGENTS:
        spec = ":".join(part for part in (standard, provider, name) if part)
        text = subprocess.run(["crm_resource", "--show-metadata", spec], capture_output=True, text=True, check=True).stdout
        offered = tree.fromstring(text[text.index("<resource-agent"):])
        out = tree.Element("resource-agent", name=name)
        tree.SubElement(out, "version").text = (offered.findtext("version") or "1.0").strip()
        parameters = tree.SubElement(out, "parameters")
        for one in offered.iter("parameter"):
            known = ("name", "required", "unique", "unique-group", "deprecated", "obsoletes")
            parameter = tree.SubElement(parameters, "parameter", {k: v for k, v in one.attrib.items() if k in known})
            deprecated = one.find("deprecated")
            if deprecated is not None:
                below = tree.SubElement(parameter, "deprecated")
                for by in deprecated.iter("replaced-with"):
                    tree.SubElement(below, "replaced-with", name=by.get("name"))
        actions = tree.SubElement(out, "actions")
        for one in offered.iter("action"):
            tree.SubElement(actions, "action", dict(one.attrib))
        tree.indent(out)
        place = CASES / "agents" / standard / (provider or "")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.xml").write_text(tree.tostring(out, encoding="unicode") + "\n")


def bench(program):
    words = "resource create vip ocf:heartbeat:IPaddr2 ip=192.0.2.5 cidr_netmask=24 op monitor interval=30s".split()
    for name, command in (("systole", [program]), ("pcs", ["pcs"])):
        spent = []
        for _ in range(10):
            with tempfile.TemporaryDirectory() as place:
                cib = os.path.join(place, "cib.xml")
                shutil.copy(CASES / "base.xml", cib)
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run([*command, "-f", cib, *words], capture_output=True, check=True)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        spent.sort()
        print(f"{name}: {spent[len(spent) // 2] * 1000:.0f} ms of processor time (median of 10, least {spent[0] * 1000:.0f})")


def main():
    match sys.argv[1:]:
        case ["record", *names]:
            chosen = [CASES / name for name in names] or sorted({one.parent for word in ("commands", "live") for one in CASES.glob(f"*/{word}")})
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(record, chosen))
        case ["agents"]:
            agents()
        case ["bench", program]:
            bench(program)
        case _:
            sys.exit(re.sub(r"\n\n.*", "", __doc__, flags=re.S) + "\n" + __doc__.split("\n\n")[1])


if __name__ == "__main__":
    main()
