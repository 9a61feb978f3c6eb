#!/usr/bin/env python3
"""Answers the lint cases with the linters' own fixes: what `cargo clippy --fix` and `ruff check --fix` would write in the span.

    scripts/linter_ceiling.py --eval DIR --cases DIR/clippy-300.jsonl --out results.jsonl [--unsafe]

DIR holds judge.py, whose calls of the linters are used. Only fixes of the case's own lint that stay inside its span are taken:
of clippy those that are machine-applicable, of ruff the safe ones (with --unsafe, the unsafe ones too).
"""

import argparse
import json
import sys


def clippy_edits(judge, case, text, unsafe):
    rows = judge.clippy_messages(text, case["path"], case["judge"]["edition"]) or []
    for row in rows:
        if (row.get("code") or {}).get("code") != case["judge"]["lint"]:
            continue
        taken = [
            (span["byte_start"], span["byte_end"], span["suggested_replacement"])
            for child in row["children"]
            for span in child["spans"]
            if span.get("suggested_replacement") is not None
            and (unsafe or span.get("suggestion_applicability") == "MachineApplicable")
        ]
        if taken:
            yield taken


def ruff_edits(judge, case, text, unsafe):
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = text.splitlines(keepends=True)

    def offset(place):
        row, column = place["row"] - 1, place["column"] - 1
        return starts[row] + len((lines[row] if row < len(lines) else "")[:column].encode())

    rows = judge.ruff_messages(text, case["path"], case["judge"]["rule"], case["judge"]["target_version"]) or []
    for row in rows:
        fix = row.get("fix")
        if row.get("code") == case["judge"]["rule"] and fix and (unsafe or fix["applicability"] == "safe"):
            yield [(offset(edit["location"]), offset(edit["end_location"]), edit["content"]) for edit in fix["edits"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", required=True)
    parser.add_argument("--cases", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--unsafe", action="store_true")
    args = parser.parse_args()
    sys.path.insert(0, args.eval)
    import judge

    answered = 0
    with open(args.out, "w") as out:
        for line in open(args.cases, encoding="utf-8"):
            case = json.loads(line)
            text = case["prefix"] + case["span"] + case["suffix"]
            data = text.encode()
            start, end = len(case["prefix"].encode()), len((case["prefix"] + case["span"]).encode())
            find = clippy_edits if case["judge"]["kind"] == "clippy" else ruff_edits
            for edits in find(judge, case, text, args.unsafe):
                if not all(start <= first and last <= end + 1 for first, last, _ in edits):
                    continue
                new = data
                for first, last, content in sorted(edits, reverse=True):
                    new = new[:first] + content.encode() + new[last:]
                tail = data[end:]
                if not new.endswith(tail):
                    # The line went with its end.
                    tail = tail[1:]
                if not new.endswith(tail) or len(new) < start + len(tail):
                    continue
                output = new[start : len(new) - len(tail)].decode()
                answered += 1
                out.write(json.dumps({"id": case["id"], "output": output}) + "\n")
                break
    print(f"{answered} answered")


main()
