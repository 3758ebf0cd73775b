import inspect
import json
import shutil
import sys
from pathlib import Path

import pytest

from asr import corpora, manifest
from asr.corpora import CORPORA, SETS, Prepare
from asr.errors import AsrError, InputError
from asr.manifest import Segment, Utterance

every_corpus = pytest.mark.parametrize("name", CORPORA)


# Every corpus.


@every_corpus
@pytest.mark.parametrize("field", ["who", "hours", "licence"])
def test_a_corpus_file_opens_with_the_corpus_story(name, field):
    story = sys.modules[CORPORA[name].__module__].__doc__
    assert story
    assert field in story.lower()


@every_corpus
def test_every_prepare_has_the_same_signature(name):
    parameters = inspect.signature(CORPORA[name]).parameters
    assert list(parameters) == list(inspect.signature(Prepare.__call__).parameters)[1:]
    assert parameters["partial"].kind is inspect.Parameter.KEYWORD_ONLY
    assert parameters["partial"].default is False


@every_corpus
def test_a_missing_source_is_reported(name, tmp_path):
    with pytest.raises(AsrError, match="nowhere"):
        corpora.prepare(name, tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@every_corpus
def test_preparing_needs_no_torch(name):
    assert "import torch" not in Path(sys.modules[CORPORA[name].__module__].__file__).read_text()


def test_an_unknown_corpus_is_refused_with_a_hint(tmp_path):
    with pytest.raises(AsrError, match="unknown corpus 'timti': choose from .*did you mean 'timit'"):
        corpora.prepare("timti", None, tmp_path)


# What `prepare` writes for every corpus.


class Spoken:
    """A corpus of two utterances a set, and how often it was read."""

    def __init__(self, audio: Path) -> None:
        self.read = 0
        audio.mkdir(parents=True)
        phones = (Segment("h#", 0, 0.5), Segment("q", 0.5, 0.6), Segment("aa", 0.6, 1.0))
        self.sets = {
            set_: [
                Utterance(f"{set_}{i}", audio / f"{set_}{i}.wav", 1.8, f"{set_}-speaker", "ah", phones) for i in (1, 2)
            ]
            for set_ in SETS
        }
        for utterance in sum(self.sets.values(), []):
            utterance.audio.write_bytes(b"")

    def __call__(self, source: Path | None, out: Path, *, partial: bool = False) -> dict[str, list[Utterance]]:
        self.read += 1
        return self.sets


@pytest.fixture
def spoken(tmp_path, monkeypatch):
    corpus = Spoken(tmp_path / "audio")
    monkeypatch.setitem(CORPORA, "spoken", corpus)
    return corpus


def test_the_manifests_contain_the_utterances_of_the_corpus(spoken, tmp_path):
    paths = corpora.prepare("spoken", None, tmp_path / "out")
    assert paths == {set_: tmp_path / "out" / f"{set_}.jsonl" for set_ in SETS}
    for set_, path in paths.items():
        assert [u.id for u in manifest.read(path)] == [f"{set_}1", f"{set_}2"]
    stamp = json.loads((tmp_path / "out" / "corpus.json").read_text())
    row = {key: value for key, value in stamp["sets"]["dev"].items() if key != "sha256"}
    assert row == {"utterances": 2, "speakers": 1, "hours": 0.001, "phones": 4, "words": 2, "characters": 4}


def test_a_prepared_corpus_is_not_prepared_again(spoken, tmp_path, capsys):
    paths = corpora.prepare("spoken", None, tmp_path / "out")
    assert corpora.prepare("spoken", None, tmp_path / "out") == paths
    assert spoken.read == 1
    assert "already prepared" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change", ["source", "manifest", "audio", "no stamp", "half a stamp", "another corpus", "version"]
)
def test_a_changed_corpus_is_prepared_again(spoken, tmp_path, monkeypatch, change):
    out, source, name = tmp_path / "out", None, "spoken"
    corpora.prepare(name, source, out)
    match change:
        case "source":
            source = tmp_path
        case "manifest":
            (out / "dev.jsonl").write_text("")
        case "audio":
            spoken.sets["dev"][0].audio.unlink()
        case "no stamp":
            (out / "corpus.json").unlink()
        case "half a stamp":
            (out / "corpus.json").write_text(
                json.dumps({"corpus": "spoken", "version": 1, "source": None, "partial": False})
            )
        case "version":
            monkeypatch.setattr(sys.modules[__name__], "VERSION", 2, raising=False)
        case "another corpus":
            monkeypatch.setitem(CORPORA, name := "renamed", spoken)
    corpora.prepare(name, source, out)
    assert spoken.read == 2


def test_a_partial_corpus_is_not_mistaken_for_a_complete_one(spoken, tmp_path):
    for partial, read in ((True, 1), (True, 1), (False, 2), (True, 2)):
        corpora.prepare("spoken", None, tmp_path / "out", partial=partial)
        assert spoken.read == read


def test_a_corpus_may_move_with_its_manifests(spoken, tmp_path):
    corpora.prepare("spoken", None, tmp_path / "here" / "out")
    shutil.move(tmp_path / "audio", tmp_path / "here" / "audio")
    assert not manifest.read(tmp_path / "here" / "out" / "dev.jsonl")[0].audio.is_file()
    spoken.sets = {
        s: [Utterance(u.id, tmp_path / "here/audio" / u.audio.name, 1.8, s) for u in us]
        for s, us in spoken.sets.items()
    }
    corpora.prepare("spoken", None, tmp_path / "here" / "out")
    shutil.move(tmp_path / "here", tmp_path / "there")
    corpora.prepare("spoken", None, tmp_path / "there" / "out")
    assert spoken.read == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda sets: sets.update(dev=[]), "the set 'dev' is empty"),
        (lambda sets: sets.pop("test"), "the set 'test' is empty"),
        (lambda sets: sets.update(dev=[*sets["dev"], sets["train"][0]]), "speaker train-speaker is in train and dev"),
        (lambda sets: sets.update(dev=[*sets["dev"], sets["train"][0]]), "duplicate ids: train1"),
    ],
)
@pytest.mark.parametrize("partial", [False, True])
def test_empty_sets_and_duplicates_are_refused_even_with_partial(spoken, tmp_path, spoil, message, partial):
    spoil(spoken.sets)
    with pytest.raises(InputError, match=f"spoken: .*{message}"):
        corpora.prepare("spoken", None, tmp_path / "out", partial=partial)
    assert not (tmp_path / "out").exists()


def test_a_failure_between_the_manifests_leaves_no_stamp(spoken, tmp_path, monkeypatch):
    corpora.prepare("spoken", None, tmp_path / "out")
    (tmp_path / "audio" / "train1.wav").unlink()
    spoken.sets["train"].pop()

    def full(path, utterances):
        if path.name == "test.jsonl":
            raise AsrError("disk full")
        real(path, utterances)

    real = manifest.write
    with monkeypatch.context() as patch, pytest.raises(AsrError, match="disk full"):
        patch.setattr(manifest, "write", full)
        corpora.prepare("spoken", None, tmp_path / "out")
    corpora.prepare("spoken", None, tmp_path / "out")
    assert spoken.read == 3  # the stamp of the first time does not vouch for the halves of the second


def test_the_summary_is_a_table(spoken, tmp_path):
    corpora.prepare("spoken", None, tmp_path / "out", partial=True)
    head, train, _, _ = corpora.summary(tmp_path / "out").splitlines()
    assert head.split() == ["spoken", "(partial)", "utterances", "speakers", "hours", "phones", "words", "characters"]
    assert train.split() == ["train", "2", "1", "0.001", "4", "2", "4"]


def test_the_summary_of_nothing_names_the_remedy(tmp_path):
    with pytest.raises(InputError, match=r"corpus.json: cannot be read \(.*\); run `asr prepare` first"):
        corpora.summary(tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"sets": 5}, {"sets": {"train": 5}}, {"sets": {"train": {}}}, {"partial": None}, {"corpus": 5}, {"sets": None}],
)
def test_a_damaged_stamp_is_named_and_prepared_anew(spoken, tmp_path, change):
    corpora.prepare("spoken", None, tmp_path / "out")
    path, whole = tmp_path / "out" / "corpus.json", corpora.summary(tmp_path / "out")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=r"corpus.json: cannot be read \(.*\); run `asr prepare` first"):
        corpora.summary(tmp_path / "out")
    corpora.prepare("spoken", None, tmp_path / "out")
    assert corpora.summary(tmp_path / "out") == whole


def test_the_summary_of_a_corpus_without_phones_counts_its_words_and_characters(spoken, tmp_path):
    for utterances in spoken.sets.values():
        utterances[:] = [Utterance(u.id, u.audio, u.seconds, u.speaker, "she  had") for u in utterances]
    corpora.prepare("spoken", None, tmp_path / "out")
    head, train, _, _ = corpora.summary(tmp_path / "out").splitlines()
    assert head.split() == ["spoken", "utterances", "speakers", "hours", "words", "characters"]
    assert train.split() == ["train", "2", "1", "0.001", "4", "14"]


def test_the_summary_of_an_older_corpus_still_counts_its_phones(spoken, tmp_path):
    corpora.prepare("spoken", None, tmp_path / "out")
    stamp = json.loads((tmp_path / "out" / "corpus.json").read_text())
    for row in stamp["sets"].values():
        row["tokens"] = row.pop("phones")
        del row["words"], row["characters"]
    (tmp_path / "out" / "corpus.json").write_text(json.dumps(stamp))
    head, train, _, _ = corpora.summary(tmp_path / "out").splitlines()
    assert head.split()[-1] == "phones" and train.split()[-1] == "4"
