import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from asr import report
from asr.errors import AsrError, InputError
from asr.report import evaluated
from asr.report import page as pages

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Document(HTMLParser):
    """Collects tags with their attributes and texts, and fails if they are not nested."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.stack, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.stack[-1] if self.stack else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self):
        return re.sub(r"\s+", " ", "".join(data for tag, data in self.texts if tag not in {"script", "style"}))


@pytest.fixture(scope="session")
def html(page):
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def document(html):
    return Document(html)


def rendered(run):
    return pages.render(evaluated.read(run, "test"), (), pages.templates())


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_every_tag_is_closed_where_it_was_opened(document):
    assert document.all("main") and document.all("table")


def test_the_page_makes_no_requests(html, document):
    for _, attributes in document.tags:
        for name in ("src", "href", "data", "poster", "srcset", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:")), attributes
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style and re.findall(r"url\((?!#)", style) == []
    policy = next(a["content"] for a in document.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "http" not in policy


def test_markup_in_a_transcript_is_escaped(html, document):
    assert "<script>alert" not in html and "<b>tone" not in html
    assert len(document.all("script")) == 1
    assert "</title><script>alert(1)</script> & “quoted”" in document.text()


def test_the_policy_allows_the_pages_own_script_and_no_other(html):
    import hashlib

    script = re.search(r"<script>(.*)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in html.replace("&#39;", "'")


def test_the_headline_is_that_of_the_result(document, trained):
    result = json.loads((trained / "test.json").read_text())
    text = document.text().replace("\xa0", " ")
    assert f"PER{100 * result['rate']:.2f} %" in text
    assert f"95 % interval {100 * result['interval'][0]:.2f}–{100 * result['interval'][1]:.2f} by speaker" in text
    for name in ("substitutions", "deletions", "insertions"):
        assert f"{result[name]} {name}" in text


def test_the_page_ends_with_the_provenance_of_the_result(document, trained):
    result = json.loads((trained / "test.json").read_text())
    assert result["bundle_sha256"] in document.text() and result["manifest_sha256"] in document.text()
    assert result["machine"] in document.text()


def test_headings_do_not_skip_a_level(document):
    levels = [int(tag[1]) for tag, _ in document.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_ids_are_unique_and_every_anchor_has_its_target(document):
    ids = [attributes["id"] for _, attributes in document.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in document.all("a")} <= set(ids)
    labels = [attributes["aria-labelledby"] for _, attributes in document.tags if "aria-labelledby" in attributes]
    assert set(labels) <= set(ids)


def test_pictures_and_tables_have_descriptions(document):
    pictures = [svg for svg in document.all("svg") if "role" in svg]
    assert len(pictures) > 10 and all(len(svg["aria-label"]) > 20 for svg in pictures)
    assert len(document.all("caption")) == len(document.all("table"))
    assert all(th.get("scope") in {"row", "col", "rowgroup"} for th in document.all("th"))
    assert all(a["aria-label"] for _, a in document.tags if a.get("role") == "region")


def test_everything_is_reachable_without_a_mouse(document, html):
    """A tooltip may only repeat what is visible elsewhere: for the matrix, in the line above it."""
    assert {tag for tag, attributes in document.tags if "title" in attributes} == {"td"}
    matrix = next(table for table in document.all("table") if table.get("id") == "confusions")
    assert matrix["role"] == "grid"
    rows = re.findall(r"<tr><th scope=.row.>women</th>(.*?)</tr>", html, re.DOTALL)
    assert re.findall(r">([^<]*)</td>", rows[0])[-2:] == ["12", "3"]
    error = next(row for row in re.findall(r'<li class="pair [sdi]">.*?</li>', html, re.DOTALL))
    assert re.search(r"hidden.>(substitution|deletion|insertion)<", error)


def test_recordings_are_embedded_losslessly(document, data):
    source = document.all("audio")[0]["src"]
    kind, _, content = source.partition(";base64,")
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32")
    assert (kind, rate) == ("data:audio/flac", 16000)
    id = document.all("audio")[0]["aria-label"].removeprefix("Recording of ")
    original, _ = soundfile.read(data / "timit-tones" / f"{id}.wav", dtype="float32")
    np.testing.assert_array_equal(samples, original)


def test_the_same_run_gives_the_same_bytes(trained, data, page, tmp_path):
    again = report.write(trained, "test", data, tmp_path / "again.html")
    assert again.read_bytes() == page.read_bytes()


def test_the_page_is_written_next_to_the_result_for_a_run_or_its_bundle(run, data):
    assert report.write(run, "test", data, examples=False) == run / "test.html"
    (run / "test.html").unlink()
    assert report.write(run / "best.safetensors", "test", data) == run / "test.html"


def test_without_utterances_neither_bundle_nor_corpus_is_needed(run, tmp_path):
    (run / "best.safetensors").unlink()
    html = report.write(run, "test", tmp_path / "nowhere", examples=False).read_text()
    assert 'id="utterances"' not in html and "<audio" not in html and 'id="groups"' in html


def test_sections_without_data_are_omitted(run):
    (run / "epochs.jsonl").unlink()
    (run / "recipe.toml").unlink()
    result = json.loads((run / "test.json").read_text())
    for key in ("reliability", "boundaries"):
        result.pop(key, None)
    (run / "test.json").write_text(json.dumps(result))
    document = Document(rendered(run))
    here = {attributes["id"] for attributes in document.all("h2")}
    assert here == {"scores", "symbols", "groups", "provenance"}
    assert [a["href"][1:] for a in document.all("a")][1:] == ["scores", "symbols", "groups", "provenance"]


def test_every_convention_is_a_row_and_a_mean_has_no_counts(run):
    rows = [
        {"name": "standard", "title": "A", "metric": "PER", "rate": 0.5, "interval": [0.4, 0.6], "substitutions": 1234,
         "deletions": 2, "insertions": 3, "total": 9},
        {"name": "mean", "title": "mean of <utterances>", "metric": "PER", "rate": 0.25, "interval": None},
    ]  # fmt: skip
    change(run / "test.json", conventions=rows)
    text = "".join(Document(rendered(run)).text().split())
    assert "APER50.00%40.0–60.0%1234239" in text
    assert "meanof<utterances>PER25.00%–––––" in text


def test_words_come_first_if_words_were_scored(run):
    result = json.loads((run / "test.json").read_text())
    words = {"metric": "WER", "convention": "words", "others": [result], "rate": 0.125}
    change(run / "test.json", **words)
    rows = [json.loads(line) for line in (run / "test.utterances.jsonl").read_text().splitlines()]
    (run / "test.utterances.jsonl").write_text("".join(json.dumps(r | {"words": r["alignment"]}) + "\n" for r in rows))
    text = Document(rendered(run)).text().replace("\xa0", " ")
    assert "WER12.50 %" in text and f"PER {100 * result['rate']:.2f} %" in text


def test_settings_that_differ_from_the_defaults_are_listed(trained):
    context = pages._changed(evaluated.read(trained, "test").recipe)
    assert ("encoder.hidden", 40, 24) in context and ("training.epochs", 0, 8) in context and len(context) == 6


def test_a_set_that_was_not_scored_is_reported_with_the_command_to_run(run, data):
    with pytest.raises(InputError, match=r"nope\.json: no such result; run `asr evaluate .*tones --set nope` first"):
        report.write(run, "nope", data)


def test_a_bundle_or_manifest_other_than_the_evaluated_one_is_rejected(run, data, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_bytes((data / "timit-tones" / "dev.jsonl").read_bytes())
    with pytest.raises(InputError, match="is not the manifest that was evaluated"):
        report.write(run, "test", data, manifest=other)
    with pytest.raises(InputError, match="no such manifest; pass its path, or .* --no-examples"):
        report.write(run, "test", tmp_path)
    with open(run / "best.safetensors", "ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match="is not the bundle that was evaluated"):
        report.write(run, "test", data)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("test.json", "{}", r"test\.json: not a result file, .*\('metric' is missing or "),
        ("test.utterances.jsonl", '{"id": "one"\n', r"utterances\.jsonl: cannot be read"),
        ("test.utterances.jsonl", "", r"utterances\.jsonl: has 0 errors in 0 utterances, but test\.json has [0-9]+"),
        (
            "test.utterances.jsonl",
            '{"id": "one"}\n',
            r"utterances\.jsonl:1: not a valid record \('speaker' is missing or ",
        ),
        (
            "test.utterances.jsonl",
            '{"id": "", "speaker": "", "alignment": 3, "units": []}',
            r"utterances\.jsonl:1: .*\('alignment' is missing or ",
        ),
        (
            "epochs.jsonl",
            '{"loss": 1}\n',
            r"epochs\.jsonl:1: not a valid record \('epoch' is missing or .*\); restore it",
        ),
    ],
)
def test_a_damaged_file_is_reported(run, name, text, message):
    (run / name).write_text(text)
    with pytest.raises(InputError, match=message):
        rendered(run)


def test_utterances_of_another_evaluation_are_rejected(run):
    lines = (run / "test.utterances.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    row["alignment"].append([None, "s"])
    (run / "test.utterances.jsonl").write_text("\n".join([json.dumps(row), *lines[1:]]))
    with pytest.raises(InputError, match="has [0-9]+ errors in 24 utterances, but .*; run `asr evaluate` again"):
        rendered(run)


def test_an_epoch_without_a_dev_score_is_left_out_of_the_best(run):
    rows = [json.loads(line) for line in (run / "epochs.jsonl").read_text().splitlines()]
    del rows[0]["dev"]
    (run / "epochs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "8 epochs" in Document(rendered(run)).text()
    (run / "epochs.jsonl").write_text(json.dumps(rows[0]))
    assert "1 epoch" in (text := Document(rendered(run)).text()) and "Best on dev" not in text


def test_a_transcript_may_contain_a_line_separator(run):
    lines = (run / "test.utterances.jsonl").read_text().splitlines()
    rows = [json.loads(line) | {"text": "one\u2028two"} for line in lines]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (run / "test.utterances.jsonl").write_text(text, encoding="utf-8")
    assert len(evaluated.read(run, "test").rows) == len(lines)


def test_a_missing_extra_is_reported_with_the_command_to_install_it(run, data, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(AsrError, match=r'a report needs PIL; install it with `pip install "asr\[plots\]"`'):
        report.write(run, "test", data)
