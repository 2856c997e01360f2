"""The report: whole in itself, safe with any text, and with everything on it that it promises."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fm_eval_harness.drawing import names_of
from fm_eval_harness.evaluate import run
from fm_eval_harness.exhibits import _parts
from fm_eval_harness.report import MAX_BYTES, write_report
from fm_hub.claims.proofs import claim_words
from fm_hub.errors import BadDataset, UserError
from fm_hub.models import Prompt, Scores, View
from fm_hub.models.fake import FakeModel
from fm_hub.records import Claim, Question
from fm_hub.tables import read_records
from golden_files import check_golden
from made_dataset import make_dataset

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks that tags nest, and keeps what a reader and a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.outline: list[str] = []
        self.urls: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = dict(attrs)
        self.urls += [v or "" for k, v in attrs if k in ("src", "href", "action", "srcset", "data")]
        assert not any(k.startswith("on") for k, _ in attrs)
        if tag in ("h1", "h2", "h3", "article", "section", "table", "img"):
            kind = f".{named['class']}" if named.get("class") else ""
            self.outline.append(f"{'  ' * len(self.open)}{tag}{kind}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("report")
    made = make_dataset(root / "foundationmotion", clips=2)
    specs = ("fake:A", "baseline:chance", "fake:error")
    runs = [run(m, made, output=root / "runs", report=False) for m in specs]
    return write_report(runs, root / "page.html").read_text(encoding="utf-8")


def test_it_stands_alone(page: str) -> None:
    parsed = Page(page)
    assert parsed.urls
    assert all(u.startswith("data:image/jpeg;base64,") for u in parsed.urls)
    assert "script" not in parsed.tags
    assert "link" not in parsed.tags
    assert not re.search(r"https?://|@import|url\(", page)


def test_its_structure(page: str) -> None:
    check_golden("report_outline.txt", "\n".join(Page(page).outline) + "\n")


def test_it_shows_what_it_promises(page: str) -> None:
    text = " ".join(Page(page).text.split())
    for words in (
        "fake:A",
        "baseline:chance",
        "Motion questions, 3 models",
        "no interval: 1 source video(s); an interval needs at least 5",
        "By kind",
        "Position of the answer",
        "What was not scored",
        "some model is wrong",
        "Which way does the square go?",
        "to the left ✓",
        "direction(square) = left",
        "measured",
        "ModelError: this model fails on purpose",
        "camera still",
        "coverage 0.0 % (3 failed)",
    ):
        assert words in text, words
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


class Looks(FakeModel):
    """Prefers the letter A where it is shown a frame."""

    looks = True

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        self.rule = "A" if len(view.frames) else "B"
        return super().score(view, prompts)


def test_it_says_whether_motion_was_needed(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "foundationmotion", clips=6)
    asked = {"n_frames": 2, "circular": True, "report": False}
    looks = run(Looks("A"), made, output=tmp_path / "a", controls=["blind", "reversed"], **asked)
    chance = run("fake:hash", made, output=tmp_path / "b", n_frames=2, report=False)
    page = write_report([looks, chance], tmp_path / "page.html").read_text(encoding="utf-8")
    text = " ".join(Page(page).text.split())
    gain = looks.results["controls"]["blind"]["gain"]
    turned = looks.results["controls"]["reversed"]["flipped"]
    assert turned["n"]
    for words in (
        "Was motion needed?",
        f"{100 * gain:+.1f} points",
        f"of {turned['n']} whose key turns round: ",
        "not asked",
        "what the words alone give away",
        f"fake:A has {looks.results['solved_without_motion']} of {looks.results['n']} right without any motion",
        "Options in every order",
        "A 100.0 %",
    ):
        assert words in text, words
    assert "Was motion needed?" not in write_report([chance], tmp_path / "b.html").read_text(encoding="utf-8")


def test_any_text_is_only_text(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "foundationmotion", clips=2, question=f"Where? {EVIL}", label=f'{EVIL}"><b>')
    result = run("fake:error", made, output=tmp_path / "runs")
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert f"Where? {EVIL}" in parsed.text
    assert EVIL not in page


def test_it_stays_small_and_says_what_it_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_dataset(tmp_path / "foundationmotion")
    result = run("fake:hash", made, output=tmp_path / "runs", report=False)
    whole = write_report([result], tmp_path / "whole.html").read_text()
    assert "left out" not in whole
    assert len(whole) < MAX_BYTES
    few = write_report([result], tmp_path / "few.html", max_clips=2).read_text()
    assert "2 of 5 clips are shown; 3 are left out" in few
    monkeypatch.setattr("fm_eval_harness.report.MAX_BYTES", 60_000)
    small = write_report([result], tmp_path / "small.html").read_text()
    assert "are left out" in small
    assert len(small) < len(whole)


def test_clips_where_models_differ_come_first(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "foundationmotion")
    runs = [run(m, made, output=tmp_path / "runs", report=False) for m in ("fake:A", "fake:B")]
    text = write_report(runs, tmp_path / "page.html", max_clips=1).read_text()
    assert {"right", "wrong"} <= set(re.findall(r'<li class="(\w+)">', text))


def test_the_same_runs_give_the_same_page(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "foundationmotion", clips=2)
    result = run("fake:hash", made, output=tmp_path / "runs")
    again = write_report([result.folder], tmp_path / "again.html")
    assert again.read_bytes() == (result.folder / "report.html").read_bytes()


def test_it_goes_on_without_a_clip_or_its_tracks(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "foundationmotion", clips=3)
    result = run("fake:hash", made, output=tmp_path / "runs", report=False)
    for clip in (made / "videos").rglob("*.mp4"):
        clip.unlink()
    text = write_report([result], tmp_path / "page.html").read_text()
    assert "UnreadableFile: the file of this clip cannot be read" in text
    for path in (made / "frames").iterdir():
        path.unlink()
    text = write_report([result], tmp_path / "page.html").read_text()
    assert "the data set has no tracks of this clip" in text


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PROBE = """<script>
const seen = s => [...document.querySelectorAll(s)].filter(e => e.offsetParent !== null).length;
const found = {};
for (const input of document.querySelectorAll(".filters input")) {
  input.click();
  found[input.id] = [seen(".question"), seen(".clip")];
  document.getElementById("f-state-all").click();
  document.getElementById("f-class-all").click();
}
const images = [...document.images];
images.forEach(i => { i.loading = "eager"; });
Promise.all(images.map(i => i.decode().then(() => 1, () => 0))).then(good => {
  found.images = [good.reduce((a, b) => a + b, 0), images.length];
  found.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify(found);
  document.body.append(out);
});
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")
@pytest.mark.parametrize("width", [1280, 420])
def test_it_opens_in_a_real_browser_without_a_network(page: str, tmp_path: Path, width: int) -> None:
    """The probe is a script, which the page's own policy forbids: in this copy the policy is taken out."""
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', page)
    assert policy
    (tmp_path / "page.html").write_text(page.replace(policy[0], "").replace("</body>", f"{PROBE}</body>"))
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --virtual-time-budget=8000 --dump-dom"
    for attempt in range(6):  # headless Chromium's clock may run out before the pictures are decoded
        done = subprocess.run(
            [
                *(str(CHROMIUM), *flags.split(), "--host-resolver-rules=MAP * ~NOTFOUND", f"--window-size={width},900"),
                *(f"--user-data-dir={tmp_path / f'profile{attempt}'}", f"file://{tmp_path / 'page.html'}"),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        told = re.search(r'<pre id="found">(.*?)</pre>', done.stdout)
        if told:
            break
    assert told, done.stderr[-500:]
    found = json.loads(told[1])
    good, images = found.pop("images")
    assert good == images > 0
    assert found.pop("wide") == 0
    everything = found["f-class-all"]
    assert found["f-state-all"] == everything == [3, 1]
    by_kind = [n for name, (n, _) in found.items() if re.fullmatch(r"f-c\d+", name)]
    assert sum(by_kind) == 3
    assert all(0 < n < 3 for n in by_kind)
    assert found["f-failed"][0] == 3  # one of the models always fails
    assert 0 < found["f-wrong"][0] <= 3


def test_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least one"):
        write_report([], tmp_path / "page.html")
    made = make_dataset(tmp_path / "foundationmotion", clips=2)
    a = run("fake:A", made, output=tmp_path / "runs", report=False)
    b = run("fake:A", made, config="mcq", output=tmp_path / "runs", report=False)
    with pytest.raises(UserError, match="not the same questions"):
        write_report([a, b], tmp_path / "page.html")
    made.rename(tmp_path / "moved")
    with pytest.raises(BadDataset, match="--dataset"):
        write_report([a], tmp_path / "page.html")
    assert write_report([a], tmp_path / "page.html", dataset=tmp_path / "moved").is_file()
    assert not list(tmp_path.glob(".*.tmp"))


def test_claims_in_words() -> None:
    names = {"t1": "car 1", "t2": "car 2"}
    for predicate, args, words in (
        ("direction", {"track": "t1", "is": "up"}, "direction(car 1) = up"),
        ("relation", {"a": "t1", "b": "t2", "is": "left"}, "relation(car 1, car 2) = left"),
        ("starts", {"track": "t2"}, "starts(car 2)"),
        ("travels", {"track": "t1", "axis": "x", "lo": 0.2, "hi": 0.4}, "travels(car 1): axis x, hi 0.4, lo 0.2"),
        ("at_once", {"label": "car", "is": 2}, "at_once(car) = 2"),
        (
            "before",
            {"first": {"event": "starts", "track": "t1"}, "then": {"event": "enters", "track": "t2", "side": "left"}},
            "starts(car 1) before enters(car 2): side left",
        ),
        (
            "exactly",
            {"which": ["t2"], "among": ["t1", "t2"], "predicate": "moves", "args": {"is": True}},
            "of car 1, car 2: moves = true for car 2 only",
        ),
    ):
        assert claim_words(Claim.of(predicate, args, 0, 1), names) == words
    assert claim_words(Claim("odd", "not json", "image", 0, 1), {}) == "odd not json"
    assert claim_words(Claim("before", "{}", "image", 0, 1), {}) == "before {}"


def test_names_are_numbered_only_where_needed(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "foundationmotion", clips=1)
    tracks = read_records(made, "tracks")
    styles = names_of(tracks, {tracks[0].track_id})
    assert sorted(s.name for s in styles.values()) == ["sign", "square"]
    assert [s.focus for s in styles.values()].count(True) == 1


def test_questions_about_one_stretch_share_their_frames(tmp_path: Path) -> None:
    made = make_dataset(tmp_path / "foundationmotion", clips=1)
    question = read_records(made, "mcq")[0]

    def at(t0: float, t1: float) -> Question:
        return replace(question, view_t0=t0, view_t1=t1)

    parts = _parts([at(3.0, 4.0), at(0.0, 2.0), at(0.2, 2.0), at(0.1, 2.1)])
    assert [(p.t0, p.t1, len(p.questions)) for p in parts] == [(0.0, 2.1, 3), (3.0, 4.0, 1)]
