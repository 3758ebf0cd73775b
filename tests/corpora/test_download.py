import hashlib
import io
import json
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from asr.corpora import download
from asr.corpora.download import Archive
from asr.errors import InputError


class Site(BaseHTTPRequestHandler):
    """Serves `content`, from the byte that is asked for; closes after `cut` bytes of an answer."""

    content, cut, tag, asked = b"", None, '"1"', []

    def do_GET(self):
        if self.path == "/gone.zip":
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.headers.get("If-Range", self.tag) == self.tag else 0
        rest = self.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.send_header("Content-Length", str(len(rest)))
        if self.tag:
            self.send_header("ETag", self.tag)
        self.end_headers()
        self.wfile.write(rest[: self.cut])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def site(monkeypatch):
    """A site on this machine; that it has no https is excused by the module's list of schemes alone."""
    monkeypatch.setattr(download, "SCHEMES", ("http",))
    for name, value in {"content": zipped({"a/b.txt": b"x" * 5000}), "cut": None, "tag": '"1"', "asked": []}.items():
        monkeypatch.setattr(Site, name, value)
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/corpus.zip"
        server.shutdown()
        thread.join()


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as package:
        for name, content in files.items():
            package.writestr(name, content)
    return packed.getvalue()


def tarred(*members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as package:
        for member in members:
            package.addfile(member, io.BytesIO(bytes(member.size)))
    return packed.getvalue()


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def known(url):
    return Archive(url, len(Site.content), f"sha256:{hashlib.sha256(Site.content).hexdigest()}")


def test_an_archive_is_fetched_once_and_nothing_else_stays(site, tmp_path):
    target = download.fetch(known(site), tmp_path / "source")
    assert (target / "a" / "b.txt").read_bytes() == b"x" * 5000
    assert download.fetch(known(site), target) == target
    assert Site.asked == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_download_cut_short_is_not_taken_for_whole_and_is_continued(site, tmp_path, monkeypatch):
    monkeypatch.setattr(Site, "cut", 1000)
    with pytest.raises(InputError, match=r"broke off after 1000 of \d+ bytes; the next attempt continues there"):
        download.fetch(known(site), tmp_path / "source")
    assert not (tmp_path / "source").exists()
    monkeypatch.setattr(Site, "cut", None)
    download.fetch(known(site), tmp_path / "source")
    assert Site.asked == [None, "bytes=1000-"]
    assert (tmp_path / "source" / "a" / "b.txt").read_bytes() == b"x" * 5000


@pytest.mark.parametrize("tag", ['"2"', ""])
def test_another_version_of_an_unknown_file_is_fetched_from_its_start(site, tmp_path, monkeypatch, tag):
    monkeypatch.setattr(Site, "tag", tag and '"1"')
    monkeypatch.setattr(Site, "cut", 1000)
    with pytest.raises(InputError, match="broke off"):
        download.fetch(Archive(site), tmp_path / "source")
    for name, value in {"cut": None, "tag": tag, "content": zipped({"a/b.txt": b"y" * 5000})}.items():
        monkeypatch.setattr(Site, name, value)
    download.fetch(Archive(site), tmp_path / "source")
    assert (tmp_path / "source" / "a" / "b.txt").read_bytes() == b"y" * 5000


def test_an_unknown_checksum_is_recorded_said_and_expected_from_then_on(site, tmp_path, monkeypatch, capsys):
    download.fetch(Archive(site), tmp_path / "source")
    digest = f"sha256:{hashlib.sha256(Site.content).hexdigest()}"
    assert json.loads((tmp_path / "downloads.json").read_text())[site]["checksum"] == digest
    assert f"no checksum is known; {len(Site.content)} bytes, {digest} recorded in" in capsys.readouterr().err
    monkeypatch.setattr(Site, "content", zipped({"a/b.txt": b"z"}))
    with pytest.raises(InputError, match=rf"is not the expected file .*; expected {digest}"):
        download.fetch(Archive(site), tmp_path / "other")


@pytest.mark.parametrize("checksum", [5, None, ["sha256"], "", "sha256:00", "crc32:00000000", "shake_128:00"])
def test_a_recorded_checksum_that_is_none_is_named(site, tmp_path, checksum):
    (tmp_path / "downloads.json").write_text(json.dumps({site: {"size": 5, "checksum": checksum}}))
    with pytest.raises(
        InputError, match=r"downloads\.json: is not a record of downloads .* the checksum .*; delete it"
    ):
        download.fetch(Archive(site), tmp_path / "source")
    (tmp_path / "downloads.json").unlink()
    download.fetch(Archive(site), tmp_path / "source")


@pytest.mark.parametrize("record", [5, [5], {"x": 5}, {"x": {}}])
def test_a_record_of_another_shape_is_named(site, tmp_path, record):
    (tmp_path / "downloads.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"downloads\.json: is not a record of downloads"):
        download.fetch(Archive(site), tmp_path / "source")


@pytest.mark.parametrize("change", [{"size": 6000}, {"checksum": "md5:" + "0" * 32}, {"checksum": "sha256:00"}])
def test_an_unexpected_archive_is_refused_and_deleted(site, tmp_path, change):
    with pytest.raises(InputError, match=r"is not the expected file \(\d+ bytes, \w+:\w+; expected \d+ bytes"):
        download.fetch(known(site)._replace(**change), tmp_path / "source")
    assert list(tmp_path.iterdir()) == []


def test_a_larger_file_than_expected_is_not_fetched(site, tmp_path):
    with pytest.raises(InputError, match=r"has \d+ bytes, more than the expected 7"):
        download.fetch(Archive(site, 7), tmp_path / "source")


def test_a_missing_page_is_reported_with_an_alternative(site, tmp_path):
    gone = site.replace("corpus", "gone")
    with pytest.raises(InputError, match=r"cannot be downloaded \(HTTP Error 404: Not Found\); .* SOURCE=/path/to/it"):
        download.fetch(Archive(gone), tmp_path / "source")


def test_only_https_is_fetched(tmp_path):
    with pytest.raises(InputError, match="is not an https address"):
        download.fetch(Archive("http://localhost/corpus.zip"), tmp_path / "source")


BAD = {
    "a path outside its folder": [
        zipped({name: b""}) for name in ("../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt")
    ]
    + [tarred(member(name)) for name in ("../out.txt", "/out.txt", "a/../../out.txt")],
    "does not stay in its folder": [
        tarred(member("a", tarfile.SYMTYPE, "../../out.txt")),
        tarred(member("a", tarfile.SYMTYPE, "/etc")),
        tarred(member("a", tarfile.LNKTYPE, "../out.txt")),
        tarred(member("a", tarfile.CHRTYPE)),
        tarred(member("a", tarfile.FIFOTYPE)),
    ],
    "unpacks to more than": [tarred(member("a", size=2 << 20))],
    "cannot be unpacked": [b"<html>sign in first</html>", tarred(member("a", size=9000))[:60]],
}


@pytest.mark.parametrize(
    ("said", "content"),
    [pytest.param(said, one, id=f"{said} {i}") for said, bad in BAD.items() for i, one in enumerate(bad)],
)
def test_an_archive_that_would_do_harm_is_refused(site, tmp_path, monkeypatch, said, content):
    monkeypatch.setattr(Site, "content", content)
    with pytest.raises(InputError, match=said):
        download.fetch(known(site), tmp_path / "in" / "source")
    assert not list(tmp_path.rglob("out.txt"))
    assert not (tmp_path / "in" / "source").exists()


def test_links_inside_are_kept(site, tmp_path, monkeypatch):
    monkeypatch.setattr(Site, "content", tarred(member("a/x"), member("b/x", tarfile.SYMTYPE, "../a/x")))
    assert (download.fetch(known(site), tmp_path / "source") / "b" / "x").read_bytes() == b""
