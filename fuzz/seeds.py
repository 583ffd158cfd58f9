"""Writes the specifications of the golden files into a folder, one file each: a fuzzer's seeds."""
import json
import sys
from pathlib import Path

golden = Path(__file__).parent.parent / "protocol/tests/golden"
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for path in sorted(golden.glob("*/*.json")):
    data = json.loads(path.read_text())
    spec = data.get("spec", data.get("generator")) if isinstance(data, dict) else None
    if spec is not None:
        (folder / path.name).write_text(json.dumps(spec))
