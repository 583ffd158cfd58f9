"""How long the process of a beamline takes until it answers, and what it takes of memory then.

    cargo build --release
    python3 benches/api/serve_start.py target/release/bluefly [--blueapi PYTHON]

The beamline has 20 simulated devices: 14 motors, their controller, 4 detectors and the generator. A
program counts as started when it answers a request, and its memory is what is resident in all its
processes then (VmRSS), and was at most (VmHWM). PYTHON is an interpreter that has blueapi and
ophyd-async[sim]: it serves 18 simulated devices of that, which is the same but for controller and
generator. Rounds alternate between the programs, so that all see the same machine; the medians count.
"""
import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PATIENCE_S = 120

DEVICES = """
from ophyd_async.core import init_devices
from ophyd_async.sim import SimMotor, SimPointDetector, PatternGenerator

def _motor(name):
    def make() -> SimMotor:
        return SimMotor(name=name)
    make.__name__ = name
    return make

def _detector(name):
    def make() -> SimPointDetector:
        return SimPointDetector(PatternGenerator(), name=name)
    make.__name__ = name
    return make

MOTORS = [SimMotor(name=f"m{i}") for i in range(14)]
DETECTORS = [SimPointDetector(PatternGenerator(), name=f"d{i}") for i in range(4)]
globals().update({device.name: device for device in MOTORS + DETECTORS})
"""


def beamline():
    """A beamline file of 20 devices."""
    motors = [f"m{i}" for i in range(14)]
    lines = ["[beamline]", 'name = "bench"', "[data]", 'min_free = "1 MiB"']
    for name in motors:
        lines += [f"[device.{name}]", 'type = "motor"', f'provider = "sim://{name}"']
        lines += ['units = "mm"', 'limits = ["-100 mm", "100 mm"]']
        lines += ['velocity = "100 mm/s"', 'acceleration = "1000 mm/s^2"']
    lines += ["[device.motion]", 'type = "trajectory_controller"', 'provider = "sim://motion"']
    lines += [f"axes = {json.dumps(motors)}"]
    for i in range(4):
        lines += [f"[device.d{i}]", 'type = "detector"', f'provider = "sim://d{i}"']
        lines += ["shape = [48, 64]", 'dtype = "uint16"', 'dead_time = "500 us"']
    lines += ["[device.generator]", 'type = "generator"', 'provider = "sim://generator"']
    return "\n".join(lines) + "\n"


def answers(url):
    try:
        with LOCAL.open(url, timeout=PATIENCE_S) as answer:
            return answer.status == 200 and json.loads(answer.read())
    except OSError:
        return None


def status_kb(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise KeyError(key)


def family(pid):
    """The process and all that it has begun."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = children.read_text().split() if children.exists() else []
    return [pid] + [process for child in below for process in family(int(child))]


def memory_mb(pid):
    processes = family(pid)
    return {key: sum(status_kb(p, key) for p in processes) / 1024 for key in ("VmRSS", "VmHWM")}


def bluefly(program, directory):
    """Starts it, and measures it until it answers."""
    file = directory / "beamline.toml"
    file.write_text(beamline())
    command = [program, "serve", str(file), "--sim", "--listen", "127.0.0.1:0"]
    command += ["--out", tempfile.mkdtemp(dir=directory), "--log", "error"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    said = time.perf_counter() - start
    url = line.split()[-1]
    assert answers(url + "/readyz")["status"] == "ready"
    answered = time.perf_counter() - start
    status = answers(url + "/api/v1/status")
    assert status["phase"] == "idle", status
    row = {"line_s": said, "answer_s": answered, **memory_mb(process.pid)}
    stop = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    return {**row, "stop_s": time.perf_counter() - stop}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def blueapi(python, directory):
    """The same of blueapi, which answers when its environment has its devices."""
    port = free_port()
    (directory / "bench_devices.py").write_text(DEVICES)
    config = directory / "blueapi.yaml"
    config.write_text(
        "env:\n  sources:\n    - kind: deviceFunctions\n      module: bench_devices\n"
        f"api:\n  url: http://127.0.0.1:{port}/\n"
    )
    environment = dict(os.environ, PYTHONPATH=str(directory), OTLP_EXPORT_ENABLED="false")
    command = [python, "-m", "blueapi", "-c", str(config), "serve"]
    start = time.perf_counter()
    log = (directory / "blueapi.log").open("w")
    process = subprocess.Popen(
        command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}/api/v1/environment"
    try:
        while not (found := answers(url)) or not found["initialized"]:
            if process.poll() is not None or time.perf_counter() - start > PATIENCE_S:
                raise SystemExit(f"blueapi did not start: {found}, see {log.name}")
            time.sleep(0.01)
        answered = time.perf_counter() - start
        row = {"answer_s": answered, **memory_mb(process.pid)}
        row["processes"] = len(family(process.pid))
        stop = time.perf_counter()
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
        return {**row, "stop_s": time.perf_counter() - stop}
    finally:
        if process.poll() is None:
            process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="bluefly, built for release")
    parser.add_argument("--blueapi", metavar="PYTHON", help="interpreter that has blueapi")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    rows = {"bluefly": [], "blueapi": []}
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(arguments.rounds):
            rows["bluefly"].append(bluefly(arguments.program, Path(directory)))
            if arguments.blueapi:
                rows["blueapi"].append(blueapi(arguments.blueapi, Path(directory)))
    print(json.dumps({"loadavg": os.getloadavg()}))
    for program, measured in rows.items():
        if measured:
            medians = {
                key: round(statistics.median(row[key] for row in measured), 3) for key in measured[0]
            }
            print(json.dumps({"program": program, "rounds": len(measured), **medians}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
