"""A run can be written to Tiled while it goes on, and read back. See `make check-tiled`."""

import h5py
import numpy as np
import pytest
from rig import check, line

pytest.importorskip("bluesky_tiled_plugins", reason="heavy: `make check-tiled` installs it")

from bluesky_tiled_plugins import TiledWriter  # noqa: E402
from tiled.catalog import from_uri  # noqa: E402
from tiled.client import Context, from_context  # noqa: E402
from tiled.server.app import build_app  # noqa: E402

FRAMES = 60


@pytest.fixture
def client(tmp_path):
    catalog = from_uri(
        f"sqlite:///{tmp_path}/catalog.db",
        init_if_not_exists=True,
        readable_storage=[str(tmp_path / "data")],
        writable_storage=[str(tmp_path / "tiled"), f"sqlite:///{tmp_path}/tables.db"],
    )
    with Context.from_app(build_app(catalog)) as context:
        yield from_context(context)


def test_a_paused_run_is_read_back(bench, client):
    bench.RE.subscribe(TiledWriter(client, batch_size=1))
    bench.pause_at(1)
    (bench.run(bench.fly(line(FRAMES, duration=0.02))))
    bench.resume()
    assert bench.error is None
    check(bench.documents, FRAMES)
    resources = [d for n, d in bench.documents if n == "stream_resource"]
    run = client[bench.stops()[0]["run_start"]]
    for resource in resources:
        with h5py.File(resource["uri"].removeprefix("file://localhost"), swmr=True) as file:
            expected = file[resource["parameters"]["dataset"]][:FRAMES]
        found = run["primary"][resource["data_key"]].read()
        assert np.array_equal(found, expected), resource["data_key"]
    x = [x for n, d in bench.documents if n == "event_page" for x in d["data"]["x"]]
    assert list(run["primary"]["x"].read()) == x
    assert run.metadata["stop"]["num_events"] == {"primary": FRAMES}
    run.validate(fix_errors=False, raise_on_error=True)
