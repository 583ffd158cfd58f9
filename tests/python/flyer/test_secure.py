"""A process that has a token and a certificate of the site."""

import subprocess

import bluefly
import pytest
from rig import Bench, Served, check, line

TOKEN = "0123456789abcdef0123"


@pytest.fixture
def secured(tmp_path):
    certificate, key, token = (tmp_path / name for name in ("site.pem", "site.key", "token"))
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    named = ["-days", "2", "-subj", "/CN=bluefly", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run(["openssl", *made, *named, *files], check=True, capture_output=True)
    token.write_text(TOKEN + "\n")
    key.chmod(0o600)
    token.chmod(0o600)
    process = Served(
        tmp_path,
        BLUEFLY__API__TOKEN_FILE=str(token),
        BLUEFLY__API__TLS_CERTIFICATE=str(certificate),
        BLUEFLY__API__TLS_KEY=str(key),
    )
    assert process.url.startswith("https://")
    yield process.url, {"token_file": token, "ca_file": certificate}
    process.close()


def test_it_is_reached_with_the_files_of_the_site(secured):
    url, files = secured
    with bluefly.Client(url, **files) as client:
        assert client.status()["phase"] == "idle"
    bench = Bench(url, **files)
    bench.run(bench.fly(line(20)))
    assert bench.error is None
    check(bench.documents, 20)
    bench.close()


def test_the_environment_names_what_it_names_to_the_program(secured, monkeypatch):
    url, files = secured
    monkeypatch.setenv("BLUEFLY_URL", url)
    for name, file in files.items():
        monkeypatch.setenv(f"BLUEFLY_{name.upper()}", str(file))
    with bluefly.Client() as client:
        assert (client.url, client.status()["phase"]) == (url, "idle")
    assert bluefly.Flyer().url == url


def test_a_certificate_that_nobody_vouches_for_is_not_believed(secured):
    url, files = secured
    with bluefly.Client(url, token_file=files["token_file"], patience_s=0.0) as client:
        with pytest.raises(bluefly.UnreachableError, match="certificate verify failed"):
            client.status()


def test_a_file_without_a_token_is_an_error(tmp_path):
    file = tmp_path / "token"
    file.write_text("two words\n")
    with pytest.raises(ValueError, match="has no token: expected one line of visible characters"):
        bluefly.Client(token_file=file)
