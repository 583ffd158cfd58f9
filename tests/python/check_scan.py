#!/usr/bin/env python3
"""Checks with the tools of the field what `bluefly scan` left in a directory.

    check_scan.py DIR [--expect success|abort|fail] [--num-events N]

Documents: every line against the schemas of event-model, and the order of the stream.
Files: every dataset that a stream_resource names, with h5py: at least as many committed rows as the
documents announce, and exactly as many after a scan that came to its end; none missing (no NaN in
float columns), none twice (unique ids, which every file must have). The NeXus master: every link leads
somewhere. Exit status 0 if all is right, 1 with one line per finding otherwise.
"""

import argparse
import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path
from urllib.parse import unquote, urlparse

import h5py
import numpy as np
from event_model import DocumentNames, schema_validators

ROWS_AT_ONCE = 1024
# How many rows of a file are whole, and which of its datasets numbers the frames.
COMMITTED = "/entry/bluefly/committed"
UNIQUE_ID = "-NDArrayUniqueId"


class Findings(list):
    """What is wrong, as lines for people."""

    def check(self, right, line):
        if not right:
            self.append(line)
        return right


class Run:
    """What the documents of one run say, with the order in which they may be said."""

    def __init__(self, findings):
        self.findings = findings
        self.start = self.stop = None
        self.descriptors, self.resources = {}, {}
        self.num_events = Counter()
        self.rows = Counter()
        self.next_seq_num = defaultdict(lambda: 1)
        self.uids = set()

    def feed(self, where, name, doc):
        try:
            validator = schema_validators[DocumentNames[name]]
        except KeyError:
            self.findings.append(f"{where}: unknown kind of document {name!r}")
            return
        faults = [f"{where}: {name}: {error.message[:200]}" for error in validator.iter_errors(doc)]
        self.findings.extend(faults)
        if faults:
            return
        check = self.findings.check
        check(self.stop is None, f"{where}: {name} after the stop document")
        check((name == "start") == (self.start is None), f"{where}: {name} in the wrong place")
        if "run_start" in doc and self.start:
            check(doc["run_start"] == self.start["uid"], f"{where}: of another run")
        uids = doc["uid"] if isinstance(doc["uid"], list) else [doc["uid"]]
        check(not self.uids & set(uids) and len(set(uids)) == len(uids), f"{where}: uid again")
        self.uids.update(uids)
        getattr(self, f"on_{name}", self.on_unexpected)(where, doc)

    def on_unexpected(self, where, doc):
        self.findings.append(f"{where}: a kind of document that bluefly does not write")

    def on_start(self, where, doc):
        self.start = doc

    def on_descriptor(self, where, doc):
        self.descriptors[doc["uid"]] = doc
        self.num_events.setdefault(doc["name"], 0)

    def on_stream_resource(self, where, doc):
        self.resources[doc["uid"]] = doc

    def on_stream_datum(self, where, doc):
        resource = self.resources.get(doc["stream_resource"])
        descriptor = self.descriptors.get(doc["descriptor"])
        if not self.findings.check(resource and descriptor, f"{where}: refers to nothing before"):
            return
        key = resource["data_key"]
        external = descriptor["data_keys"].get(key, {}).get("external")
        self.findings.check(external == "STREAM:", f"{where}: {key} is not external in its stream")
        indices, seq_nums = doc["indices"], doc["seq_nums"]
        expected = self.rows[resource["uid"]]
        self.findings.check(
            indices["start"] == expected < indices["stop"],
            f"{where}: {key}: indices {indices}, expected to start at {expected}",
        )
        width = indices["stop"] - indices["start"]
        same = seq_nums["stop"] - seq_nums["start"] == width
        self.findings.check(same, f"{where}: {key}: {indices} and {seq_nums} differ in width")
        self.rows[resource["uid"]] = indices["stop"]

    def on_event_page(self, where, doc):
        descriptor = self.descriptors.get(doc["descriptor"])
        if not self.findings.check(descriptor, f"{where}: refers to no descriptor before"):
            return
        stream = descriptor["name"]
        expected = self.next_seq_num[stream]
        numbers = list(range(expected, expected + len(doc["seq_num"])))
        self.findings.check(
            doc["seq_num"] == numbers,
            f"{where}: {stream}: seq_num from {doc['seq_num'][:1]}, expected {expected}",
        )
        self.next_seq_num[stream] += len(numbers)
        self.num_events[stream] += len(numbers)
        internal = {k for k, v in descriptor["data_keys"].items() if v.get("external") != "STREAM:"}
        for column in ("data", "timestamps"):
            self.findings.check(set(doc[column]) == internal, f"{where}: {column}: wrong keys")
            for key, values in doc[column].items():
                full = len(values) == len(numbers)
                self.findings.check(full, f"{where}: {column} of {key}: {len(values)} values")

    def on_stop(self, where, doc):
        self.stop = doc
        success = doc["exit_status"] == "success"
        self.findings.check(success or doc.get("reason"), f"{where}: no reason in the stop document")

    def check_ends(self, expect, num_events):
        check = self.findings.check
        if not check(self.start, "no start document") or not check(self.stop, "no stop document"):
            return
        check(self.stop["exit_status"] == expect, f"exit_status {self.stop['exit_status']!r}, "
              f"expected {expect!r}; reason: {self.stop.get('reason')!r}")
        said = self.stop.get("num_events", {})
        for stream in self.num_events:
            rows = {self.rows[uid] for uid in self.resources_of(stream)}
            counted = rows | ({self.num_events[stream]} if self.num_events[stream] else set())
            check(counted <= {said.get(stream)} or (not counted and not said.get(stream)),
                  f"stream {stream}: stop says {said.get(stream)}, documents say {sorted(counted)}")
        if num_events is not None:
            check(said.get("primary") == num_events, f"stop.num_events {said}, expected {num_events}")

    def resources_of(self, stream):
        keys = {key for d in self.descriptors.values() if d["name"] == stream
                for key, v in d["data_keys"].items() if v.get("external") == "STREAM:"}
        return [uid for uid, resource in self.resources.items() if resource["data_key"] in keys]

    def is_whole(self):
        """Whether the scan came to its end by itself: a run that was stopped is a success as well."""
        if not self.start or not self.stop or self.stop["exit_status"] != "success":
            return False
        return self.stop.get("num_events", {}).get("primary") == self.start.get("num_points")

    def check_files(self):
        numbered = {r["uri"] for r in self.resources.values() if r["data_key"].endswith(UNIQUE_ID)}
        for uri in sorted({r["uri"] for r in self.resources.values()} - numbered):
            self.findings.append(f"{uri}: no data key *{UNIQUE_ID}: nothing numbers its frames")
        for uid, resource in self.resources.items():
            path = Path(unquote(urlparse(resource["uri"]).path))
            key, dataset = resource["data_key"], resource["parameters"]["dataset"]
            shape = next((d["data_keys"][key]["shape"] for d in self.descriptors.values()
                          if key in d["data_keys"]), None) or []
            # An event is a row of its shape; or several rows, as many as its shape says first.
            rows, row = self.rows[uid], shape
            if resource["parameters"].get("join_method") == "concat":
                rows, row = rows * shape[0], shape[1:]
            try:
                with h5py.File(path, "r", swmr=True) as file:
                    self.check_dataset(file[dataset], key, rows, row)
            except (OSError, KeyError) as error:
                self.findings.append(f"{path.name}: {dataset}: cannot be read: {error}")

    def check_dataset(self, dataset, key, rows, shape):
        where = f"{Path(dataset.file.filename).name}: {dataset.name}"
        if not self.findings.check(dataset.ndim, f"{where}: no rows"):
            return
        have, committed = len(dataset), int(dataset.file[COMMITTED][0])
        self.findings.check(have >= rows, f"{where}: {have} rows, documents say {rows}")
        # Frames of which no document tells may be there when a run was ended before its time.
        right = rows <= committed <= have
        self.findings.check(right, f"{where}: {have} rows, {committed} committed, documents say {rows}")
        if self.is_whole():
            self.findings.check(have == rows, f"{where}: {have} rows, stop says {rows}")
        row = [length for length in dataset.shape[1:]]
        self.findings.check(math.prod(row) == math.prod(shape),
                            f"{where}: rows of shape {row}, described as {shape}")
        for start in range(0, rows, ROWS_AT_ONCE):
            values = dataset[start : min(start + ROWS_AT_ONCE, rows)]
            if np.issubdtype(values.dtype, np.floating):
                missing = np.isnan(values).reshape(len(values), -1).any(axis=1)
                if missing.any():
                    first = start + int(missing.argmax())
                    self.findings.append(f"{where}: row {first} is missing (NaN)")
                    break
        if key.endswith(UNIQUE_ID):
            unique = len(np.unique(dataset[:rows])) == rows
            self.findings.check(unique, f"{where}: a row is there twice")


def check_master(path, findings):
    """Every link of the NeXus master leads to something that can be read."""
    def follow(group, seen):
        for name in group:
            where = f"{path.name}: {group.name.rstrip('/')}/{name}"
            try:
                node = group[name]
                if isinstance(node, h5py.Dataset):
                    node[()] if node.ndim == 0 else node[:1]
            except (OSError, KeyError) as error:
                findings.append(f"{where}: leads nowhere: {error}")
                continue
            if isinstance(node, h5py.Group):
                identity = (node.file.filename, node.name)
                if identity not in seen:
                    follow(node, seen | {identity})

    with h5py.File(path, "r") as file:
        entries = [n for n in file if file[n].attrs.get("NX_class") in ("NXentry", b"NXentry")]
        findings.check(entries, f"{path.name}: no NXentry")
        follow(file, frozenset())


def check_directory(directory, expect, num_events):
    findings = Findings()
    run = Run(findings)
    lines = (directory / "documents.jsonl").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        where = f"documents.jsonl: line {number}"
        try:
            document = json.loads(line, parse_constant=lambda word: findings.append(
                f"{where}: {word} is no JSON"))
            name, doc = document["name"], document["doc"]
        except (ValueError, TypeError, KeyError) as error:
            findings.append(f"{where}: no document: {error!r}")
            continue
        run.feed(where, name, doc)
    run.check_ends(expect, num_events)
    run.check_files()
    masters = sorted(directory.glob("*.nxs"))
    findings.check(masters, "no NeXus master")
    for master in masters:
        check_master(master, findings)
    rows = dict(run.stop.get("num_events", {})) if run.stop else {}
    return findings, f"{len(lines)} documents, {len(run.resources)} datasets, events {rows}"


def main():
    parser = argparse.ArgumentParser(description="Checks what `bluefly scan` left in DIR.")
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--expect", choices=["success", "abort", "fail"], default="success")
    parser.add_argument("--num-events", type=int)
    arguments = parser.parse_args()
    directory = arguments.directory
    if not (directory / "documents.jsonl").is_file():
        print(f"{directory}: no documents.jsonl", file=sys.stderr)
        return 1
    findings, summary = check_directory(directory, arguments.expect, arguments.num_events)
    for line in findings:
        print(f"{directory}: {line}", file=sys.stderr)
    print(f"{directory}: {summary}: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
