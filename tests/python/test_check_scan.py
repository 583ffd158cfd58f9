#!/usr/bin/env python3
"""check_scan.py finds what it is there to find: one fault at a time in a scan that is right."""

import copy
import json
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from check_scan import check_directory  # noqa: E402

NUM_FRAMES = 6


def documents(directory):
    uri = f"file://localhost{directory}/camera.h5"
    keys = {
        "camera": {"source": uri, "dtype": "array", "dtype_numpy": "<u2", "shape": [2, 3],
                   "external": "STREAM:"},
        "camera_unique_id": {"source": uri, "dtype": "number", "dtype_numpy": "<u8", "shape": [],
                             "external": "STREAM:"},
        "x": {"source": "sim://x", "dtype": "number", "dtype_numpy": "<f8", "shape": []},
    }
    def resource(key, dataset):
        return ["stream_resource", {
            "uid": key, "run_start": "run", "data_key": key, "mimetype": "application/x-hdf5",
            "uri": uri, "parameters": {"dataset": dataset, "chunk_shape": [1]}}]
    def datum(key, start, stop):
        return ["stream_datum", {
            "uid": f"{key}/{start}", "stream_resource": key, "descriptor": "primary",
            "indices": {"start": start, "stop": stop},
            "seq_nums": {"start": start + 1, "stop": stop + 1}}]
    def page(start, stop):
        rows = range(start, stop)
        return ["event_page", {
            "descriptor": "primary", "uid": [f"event {i}" for i in rows],
            "seq_num": [i + 1 for i in rows], "time": [1.0 + i for i in rows], "filled": {},
            "data": {"x": [0.5 * i for i in rows]}, "timestamps": {"x": [1.0 + i for i in rows]}}]
    found = [
        ["start", {"uid": "run", "time": 1.0}],
        ["descriptor", {"uid": "primary", "run_start": "run", "time": 1.0, "name": "primary",
                        "data_keys": keys}],
        resource("camera", "/entry/data/data"), resource("camera_unique_id", "/entry/data/uid")]
    for start, stop in [(0, 4), (4, NUM_FRAMES)]:
        found += [datum("camera", start, stop), datum("camera_unique_id", start, stop),
                  page(start, stop)]
    found.append(["stop", {"uid": "stop", "run_start": "run", "time": 9.0,
                           "exit_status": "success", "num_events": {"primary": NUM_FRAMES}}])
    return found


def write(directory, found, unique_ids, images):
    lines = [json.dumps({"name": name, "doc": doc}) for name, doc in found]
    (directory / "documents.jsonl").write_text("\n".join(lines) + "\n")
    with h5py.File(directory / "camera.h5", "w") as file:
        file["/entry/data/data"] = images
        file["/entry/data/uid"] = np.array(unique_ids, dtype="u8")
    with h5py.File(directory / "run.nxs", "w") as file:
        file.create_group("entry").attrs["NX_class"] = "NXentry"
        file["/entry/camera"] = h5py.ExternalLink("camera.h5", "/entry/data")


class CheckScan(unittest.TestCase):
    def findings(self, change=lambda found: None, unique_ids=range(NUM_FRAMES), images=None,
                 disturb=lambda directory: None):
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            found = copy.deepcopy(documents(directory))
            change(found)
            images = np.zeros((NUM_FRAMES, 2, 3), "u2") if images is None else images
            write(directory, found, list(unique_ids), images)
            disturb(directory)
            return check_directory(directory, "success", NUM_FRAMES)[0]

    def found(self, text, **fault):
        findings = self.findings(**fault)
        self.assertTrue(any(text in line for line in findings), (text, findings))

    def test_a_right_scan_is_right(self):
        self.assertEqual(self.findings(), [])

    def test_faults_in_documents_are_found(self):
        def edit(place, **values):
            return lambda found: found[place][1].update(values)
        self.found("'time' is a required", change=lambda found: found[0][1].pop("time"))
        self.found("in the wrong place", change=lambda found: found.insert(2, found[0]))
        self.found("after the stop", change=lambda found: found.append(found[-2]))
        self.found("no stop document", change=lambda found: found.pop())
        self.found("uid again", change=edit(7, uid="camera/0"))
        self.found("expected to start at 4", change=edit(7, indices={"start": 3, "stop": 5}))
        self.found("differ in width", change=edit(7, seq_nums={"start": 5, "stop": 9}))
        self.found("expected 5", change=edit(9, seq_num=[6, 7]))
        self.found("wrong keys", change=edit(9, data={}))
        self.found("Infinity is no JSON", change=edit(9, data={"x": [1.0, float("inf")]}))
        self.found("1 values", change=edit(9, data={"x": [1.0]}))
        self.found("stop says 7", change=edit(10, num_events={"primary": 7}))
        self.found("no reason", change=edit(10, exit_status="fail"))
        self.found("exit_status 'fail'", change=edit(10, exit_status="fail", reason="disk full"))
        self.found("of another run", change=edit(10, run_start="other"))
        self.found("refers to nothing", change=edit(4, stream_resource="other"))

    def test_faults_in_files_are_found(self):
        self.found("is there twice", unique_ids=[0, 1, 2, 3, 4, 4])
        self.found("5 rows, documents say 6", images=np.zeros((NUM_FRAMES - 1, 2, 3), "u2"))
        self.found("7 rows, stop says 6", images=np.zeros((NUM_FRAMES + 1, 2, 3), "u2"))
        self.found("rows of shape", images=np.zeros((NUM_FRAMES, 2, 2), "u2"))
        missing = np.zeros((NUM_FRAMES, 2, 3))
        missing[4, 1, 1] = np.nan
        self.found("frame 4 is missing", images=missing)
        self.found("cannot be read", disturb=lambda directory: (directory / "camera.h5").unlink())

    def test_faults_in_the_master_are_found(self):
        self.found("no NeXus master", disturb=lambda directory: (directory / "run.nxs").unlink())
        def unlink(directory):
            with h5py.File(directory / "run.nxs", "a") as file:
                file["/entry/gone"] = h5py.ExternalLink("gone.h5", "/entry")
        self.found("leads nowhere", disturb=unlink)


if __name__ == "__main__":
    unittest.main()
