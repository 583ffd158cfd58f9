#!/usr/bin/env python3
"""What `bluefly serve` says of its API is what it does: schemathesis asks it, by its own description.

Usage: check_api.py BLUEFLY BEAMLINE DIRECTORY
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# However busy the machine is.
LONG_S = 300
SCHEMATHESIS = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]


def listening(server: subprocess.Popen) -> str:
    for line in server.stdout:
        if line.startswith("listening on "):
            return line.split()[-1]
    raise SystemExit(f"check_api: the server does not listen, and ended with {server.wait()}")


def main() -> None:
    bluefly, beamline, directory = sys.argv[1:]
    directory = Path(directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    command = [bluefly, "serve", beamline, "--sim", "--listen", "127.0.0.1:0", "--seed", "1", "--out", directory / "data"]
    with (directory / "serve.log").open("w") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            url = listening(server)
            asked = subprocess.run(
                [*SCHEMATHESIS, "--config-file", HERE / "api.toml", "run", f"{url}/openapi.json", "--warnings", "off"],
                cwd=directory, env={**os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "api_hooks"},
                timeout=LONG_S,
            )
        finally:
            server.send_signal(signal.SIGTERM)
            ended = server.wait(LONG_S)
    if asked.returncode != 0:
        raise SystemExit(f"check_api: the API is not what {url}/openapi.json said; the log is {log.name}")
    if ended != 0:
        raise SystemExit(f"check_api: the server ended with {ended}; its log is {log.name}")


if __name__ == "__main__":
    main()
