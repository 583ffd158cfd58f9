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
UNIQUE_ID = "camera-NDArrayUniqueId"
UNIQUE_ID_DATASET = "/entry/instrument/NDAttributes/NDArrayUniqueId"


def documents(directory):
    uri = f"file://localhost{directory}/camera.h5"
    keys = {
        "camera": {"source": uri, "dtype": "array", "dtype_numpy": "<u2", "shape": [2, 3],
                   "external": "STREAM:"},
        UNIQUE_ID: {"source": uri, "dtype": "number", "dtype_numpy": "<f8", "shape": [],
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
        ["start", {"uid": "run", "time": 1.0, "num_points": NUM_FRAMES}],
        ["descriptor", {"uid": "primary", "run_start": "run", "time": 1.0, "name": "primary",
                        "data_keys": keys}],
        resource("camera", "/entry/data/data"), resource(UNIQUE_ID, UNIQUE_ID_DATASET)]
    for start, stop in [(0, 4), (4, NUM_FRAMES)]:
        found += [datum("camera", start, stop), datum(UNIQUE_ID, start, stop),
                  page(start, stop)]
    found.append(["stop", {"uid": "stop", "run_start": "run", "time": 9.0,
                           "exit_status": "success", "num_events": {"primary": NUM_FRAMES}}])
    return found


def write(directory, found, unique_ids, images, committed):
    lines = [json.dumps({"name": name, "doc": doc}) for name, doc in found]
    (directory / "documents.jsonl").write_text("\n".join(lines) + "\n")
    with h5py.File(directory / "camera.h5", "w") as file:
        file["/entry/data/data"] = images
        file[UNIQUE_ID_DATASET] = np.array(unique_ids, dtype="f8")
        file["/entry/bluefly/committed"] = np.array([committed], "u8")
    with h5py.File(directory / "run.nxs", "w") as file:
        file.create_group("entry").attrs["NX_class"] = "NXentry"
        file["/entry/camera"] = h5py.ExternalLink("camera.h5", "/entry/data")


class CheckScan(unittest.TestCase):
    def findings(self, change=lambda found: None, unique_ids=None, images=None,
                 disturb=lambda directory: None, expect="success", rows=NUM_FRAMES,
                 committed=None):
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            found = copy.deepcopy(documents(directory))
            change(found)
            images = np.zeros((rows, 2, 3), "u2") if images is None else images
            unique_ids = range(rows) if unique_ids is None else unique_ids
            committed = rows if committed is None else committed
            write(directory, found, list(unique_ids), images, committed)
            disturb(directory)
            return check_directory(directory, expect, NUM_FRAMES)[0]

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
        self.found("5 committed, documents say 6", committed=5)
        self.found("rows of shape", images=np.zeros((NUM_FRAMES, 2, 2), "u2"))
        missing = np.zeros((NUM_FRAMES, 2, 3))
        missing[4, 1, 1] = np.nan
        self.found("row 4 is missing", images=missing)
        self.found("cannot be read", disturb=lambda directory: (directory / "camera.h5").unlink())

    def test_several_rows_per_event_are_counted(self):
        def concat(found):
            for place, key, shape in [(2, "camera", [2, 2, 3]), (3, UNIQUE_ID, [2])]:
                found[1][1]["data_keys"][key].update(shape=shape, dtype="array")
                found[place][1]["parameters"]["join_method"] = "concat"
        self.assertEqual(self.findings(change=concat, rows=2 * NUM_FRAMES), [])
        self.found("6 rows, documents say 12", change=concat)
        self.found("13 rows, stop says 12", change=concat, rows=2 * NUM_FRAMES + 1)
        self.found("11 committed, documents say 12", change=concat, rows=2 * NUM_FRAMES,
                   committed=2 * NUM_FRAMES - 1)
        again = [*range(2 * NUM_FRAMES - 1), 0]
        self.found("is there twice", change=concat, rows=2 * NUM_FRAMES, unique_ids=again)

    def test_a_file_whose_frames_nothing_numbers_is_found(self):
        def rename(found):
            found[1][1]["data_keys"]["camera_uid"] = found[1][1]["data_keys"].pop(UNIQUE_ID)
            found[3][1]["data_key"] = "camera_uid"
        self.found("nothing numbers its frames", change=rename)

    def test_a_run_that_was_ended_before_its_time_may_have_more_rows_than_announced(self):
        def ended(exit_status, num_points):
            def change(found):
                found[0][1]["num_points"] = num_points
                found[-1][1].update(exit_status=exit_status, reason="somebody came")
            return change
        for exit_status in ("success", "abort", "fail"):
            change = ended(exit_status, 2 * NUM_FRAMES)
            found = self.findings(change=change, rows=NUM_FRAMES + 2, expect=exit_status)
            self.assertEqual(found, [], exit_status)
        self.found("stop says 6", change=ended("success", NUM_FRAMES), rows=NUM_FRAMES + 2)

    def test_faults_in_the_master_are_found(self):
        self.found("no NeXus master", disturb=lambda directory: (directory / "run.nxs").unlink())
        def unlink(directory):
            with h5py.File(directory / "run.nxs", "a") as file:
                file["/entry/gone"] = h5py.ExternalLink("gone.h5", "/entry")
        self.found("leads nowhere", disturb=unlink)


if __name__ == "__main__":
    unittest.main()
