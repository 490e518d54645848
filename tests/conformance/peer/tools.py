#!/usr/bin/env python3
"""Runs the command lines of crm/cli/src/tools/tests/*.txt on Pacemaker's tools and on ours, and says where output,
exit status or the CIB differ. Usage: tools.py SYSTOLE [TOOL ...]; PEER=DIR takes Pacemaker's tools from a directory."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "..", "..", "..", "crm", "cli", "src", "tools", "tests")


def canonical(path):
    """A CIB as lines, without what says when and by whom it was written."""
    try:
        root = ET.parse(path).getroot()
    except (ET.ParseError, OSError) as error:
        return [str(error)]
    for name in ("cib-last-written", "update-origin", "update-client", "update-user", "crm_feature_set"):
        root.attrib.pop(name, None)
    lines = []

    def walk(element, depth):
        attributes = " ".join(f'{k}="{v}"' for k, v in sorted(element.attrib.items()))
        lines.append("  " * depth + element.tag + " " + attributes)
        for child in element:
            walk(child, depth + 1)

    walk(root, 0)
    return lines


def run(program, line, cib):
    """What the commands of a line print, the exit status of the last, the CIB after them, and what they complain of."""
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "cib.xml")
        shutil.copy(os.path.join(CASES, cib), file)
        began, out, err = int(time.time()), "", ""
        for command in line.split(" ; "):
            words, variables, given = shlex.split(command), {}, b""
            if "<" in words:
                given = open(os.path.join(CASES, words[words.index("<") + 1]), "rb").read()
                words = words[: words.index("<")]
            while "=" in words[0]:
                key, value = words.pop(0).split("=", 1)
                variables[key] = value.replace("HERE", directory)
            words = [os.path.join(CASES, w[4:]) if w.startswith("DIR/") else w for w in words]
            environment = dict(os.environ, CIB_file=file, LC_ALL="C", TZ="UTC", **variables)
            done = subprocess.run(program(words[0]) + words[1:], env=environment, input=given, capture_output=True, timeout=60)
            out += done.stdout.decode()
            err += done.stderr.decode()
        out = out.replace(directory, "HERE")
        out = re.sub(r'api-version="[^"]*"', 'api-version=""', out)
        out = re.sub(r'request="[^"]*"', 'request=""', out)
        out = re.sub(r'Last updated: .*', 'Last updated:', out)
        out = re.sub(r'last_update time="[^"]*"', 'last_update time=""', out)
        lines = canonical(file)
        for moment in range(began, int(time.time()) + 1):
            lines = [text.replace(f'"{moment}"', '"NOW"') for text in lines]
        return out, done.returncode, lines, err


def main():
    systole, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    peer = os.environ.get("PEER", "/usr/sbin")
    equal = different = 0
    for name in sorted(os.listdir(CASES)):
        if not name.endswith(".txt") or (wanted and name[:-4] not in wanted):
            continue
        cib = None
        for line in open(os.path.join(CASES, name)):
            line = line.rstrip("\n")
            if line.startswith("cib "):
                cib = line[4:]
            if not line.startswith("$ "):
                continue
            theirs = run(lambda name: [os.path.join(peer, name)], line[2:], cib)
            ours = run(lambda name: [systole, name], line[2:], cib)
            problems = [what for what, a, b in zip(("output", "status", "CIB"), theirs, ours) if a != b]
            if not problems:
                equal += 1
                continue
            different += 1
            print(f"{name}: {line}\n  differs: {', '.join(problems)}")
            if "status" in problems:
                print(f"  status: theirs {theirs[1]}, ours {ours[1]}\n  theirs says: {theirs[3].strip()[:300]}\n  ours says: {ours[3].strip()[:300]}")
            for at, what in ((0, "output"), (2, "CIB")):
                if what in problems:
                    a = theirs[at].splitlines() if at == 0 else theirs[at]
                    b = ours[at].splitlines() if at == 0 else ours[at]
                    import difflib

                    for text in list(difflib.unified_diff(a, b, "theirs", "ours", lineterm="", n=1))[2:24]:
                        print("    " + text)
    print(f"{equal} equal, {different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
