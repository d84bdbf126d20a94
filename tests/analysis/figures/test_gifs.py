"""GIFs: frames, colours, and the layout of their labels, titles and ticks."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from analysis.figures import gifs
from analysis.results.load import load
from tests.helpers.figure_inputs import full_results
from tests.helpers.synthetic_results import write_results


def test_gifs_have_a_frame_per_epoch_and_show_the_methods_colour(tmp_path) -> None:
    full = full_results(tmp_path / "k_sweep")
    written, skipped = gifs.write_gifs([full], tmp_path)
    assert [p.name for p in written] == ["accuracy_per_epoch.gif", "prototypes.gif"]
    assert not skipped
    for path, frames in zip(written, (18, 12), strict=True):
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            assert picture.n_frames == frames
            picture.seek(frames - 1)
            pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)
        blue = np.array([0x00, 0x72, 0xB2])
        assert (np.abs(pixels - blue).max(axis=1) < 12).sum() > 50


def test_gifs_that_cannot_be_made_say_why(tmp_path) -> None:
    write_results(tmp_path / "empty", trials=0, confirm_seeds=())
    written, skipped = gifs.write_gifs([load(tmp_path / "empty")], tmp_path)
    assert not written
    assert {s.name for s in skipped} == {"accuracy_per_epoch.gif", "prototypes.gif"}
    assert not list(tmp_path.glob("*.gif*"))


def test_labels_are_spread_within_their_limits() -> None:
    found = gifs.spread([50, 51, 10, 52], 10, 0, 60)
    assert found[2] == 10
    assert sorted(found) == [found[i] for i in (2, 0, 1, 3)]
    assert np.diff(sorted(found)).min() >= 10 - 1e-9
    assert max(found) <= 60
    assert gifs.spread([], 10, 0, 60) == []


def test_a_title_that_is_too_long_ends_at_a_word() -> None:
    type_, text = gifs.font(17), "Prototypes: kmclr k=50 update=count f=3 dtype=float32 t=0.2"
    assert gifs.fitted(text, type_, 1e6) == text
    short = gifs.fitted(text, type_, 0.6 * type_.getlength(text))
    assert short.endswith(" …")
    assert text.startswith(short.removesuffix(" …"))
    assert 0.3 * type_.getlength(text) < type_.getlength(short) <= 0.6 * type_.getlength(text)


def test_gif_has_all_frames_and_rests_at_the_end():
    frames = [Image.new("RGB", (20, 10), (40 * i, 0, 0)) for i in range(4)]
    read = Image.open(io.BytesIO(gifs.gif(frames, 100)))
    assert read.n_frames == 4
    read.seek(3)
    assert read.info["duration"] == 2000
