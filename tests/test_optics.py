"""What is rendered lies where it should, is as bright as said and as wide as said."""

import functools
import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import curve_fit

with warnings.catch_warnings(action="ignore"):
    import deeptrack  # before magik: its import hook would have all of torch compiled anew

from magik import optics, schema, simulate
from magik.config import Render, Simulate

QUIET = Render(background=0, poisson=False)


@pytest.fixture(autouse=True, scope="module")
def _each_spot_is_drawn_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optics, "draw_spots", functools.cache(optics.draw_spots))
        yield


def drawn(*spots: tuple[int, float, float, float], frames: int = 1, side: int = 33) -> xr.Dataset:
    """One video of spots given as (frame, x, y, intensity)."""
    frame, x, y, intensity = np.array(spots, dtype=float).reshape(-1, 4).T
    return xr.Dataset(
        {
            "frame": ("localization", frame.astype(int)),
            "x": ("localization", x),
            "y": ("localization", y),
            "intensity": ("localization", intensity),
            "row_size": ("video", [len(frame)]),
            "n_frames": ("video", [frames]),
        },
        attrs={"field_of_view": [side, side]},
    )


def fit(image: np.ndarray) -> tuple[float, float, float, float]:
    """Amplitude, x, y and s.d. of the Gaussian nearest to a single spot."""
    row, column = np.indices(image.shape)

    def gaussian(_: None, peak: float, x: float, y: float, sd: float) -> np.ndarray:
        return peak * np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sd**2)).ravel()

    start = (image.max(), *np.unravel_index(image.argmax(), image.shape)[::-1], 1)
    peak, x, y, sd = curve_fit(gaussian, None, image.ravel(), start)[0]
    return peak, x + 0.5, y + 0.5, sd


def image_of(*spots: tuple[int, float, float, float], config: Render = QUIET) -> np.ndarray:
    return optics.render(drawn(*spots), config, seed=1).counts.values[0].astype(float)


@pytest.mark.parametrize("x", [16.5, 16.6, 17, 17.23])
@pytest.mark.parametrize("y", [15.5, 15.87])
def test_a_spot_lies_at_its_x_and_y_counted_from_the_corner(x, y):
    image = image_of((0, x, y, 10_000))
    _, found_x, found_y, _ = fit(image)
    assert (found_x, found_y) == pytest.approx((x, y), abs=0.01)
    row, column = np.indices(image.shape)
    assert np.average(column + 0.5, weights=image) == pytest.approx(x, abs=0.05)
    assert np.average(row + 0.5, weights=image) == pytest.approx(y, abs=0.05)


def test_a_spot_in_the_middle_of_a_pixel_is_brightest_there():
    """Pixel [i, j] covers i <= y < i + 1, j <= x < j + 1."""
    image = image_of((0, 12.5, 7.5, 1000))
    assert np.unravel_index(image.argmax(), image.shape) == (7, 12)
    np.testing.assert_array_equal(image[:15, :25], image[14::-1, 24::-1])  # about (7, 12)


@pytest.mark.parametrize("psf_sd", [1, 1.5, 2])
def test_a_spot_is_as_wide_as_the_setting_says(psf_sd):
    sd = fit(image_of((0, 16.8, 16.5, 10_000), config=QUIET.model_copy(update={"psf_sd": psf_sd})))[
        3
    ]
    assert sd == pytest.approx(psf_sd, rel=0.02)


@pytest.mark.parametrize("intensity", [20, 80, 5000])
def test_intensity_is_the_counts_of_the_brightest_pixel_of_a_centred_spot(intensity):
    assert image_of((0, 16.5, 16.5, intensity)).max() == intensity


@pytest.mark.parametrize("shift", [0, 0.1, 0.2, 0.3, 0.5])
def test_the_total_of_a_spot_does_not_depend_on_where_in_a_pixel_it_lies(shift):
    """A focused Airy disk has a total of 1 / π (NA/λ)² peaks, here 1 / π 0.21² px².

    Within 8 s.d. lie 95 % of it; a pixel, 1 px wide, sees 93 % of the peak.
    """
    total = image_of((0, 16 + shift, 16 + shift, 10_000)).sum() / 10_000
    assert total == pytest.approx(0.95 / 0.93 / (np.pi * optics.SD_OF_AIRY**2), rel=0.02)


def deeptracks_own(spot: tuple[int, float, float, float]) -> np.ndarray:
    """DeepTrack's whole pipeline for one particle, upscaled as finely as ours.

    DeepTrack 2.0.2 moves an upscaled image by upscale // 2 fine pixels (taken back here), and a
    microscope that was used once is of no further use.
    """
    _, x, y, intensity = spot
    moved = (optics.FINE // 2) / optics.FINE
    microscope = deeptrack.Fluorescence(
        NA=optics.NUMERICAL_APERTURE,
        wavelength=optics.WAVELENGTH,
        resolution=optics.SD_OF_AIRY * optics.WAVELENGTH / optics.NUMERICAL_APERTURE,
        magnification=1,
        upscale=(optics.FINE, optics.FINE, 1),
        output_region=(0, 0, 33, 33),
        padding=(16, 16, 16, 16),
    )
    corner = moved + 0.5  # DeepTrack, too, counts from the middle of the first pixel
    particle = deeptrack.PointParticle(position=(y - corner, x - corner), intensity=intensity)
    return np.asarray(microscope(particle)())[..., 0]


def test_a_frame_is_what_deeptrack_itself_makes_of_its_spots():
    spots = [(0, 10.3, 12.6, 8000), (0, 12.05, 14.9, 5000)]
    theirs, ours = sum(map(deeptracks_own, spots)), image_of(*spots)
    scale = (ours * theirs).sum() / (theirs**2).sum()
    np.testing.assert_allclose(ours, scale * theirs, atol=0.01 * 8000)
    assert np.abs(ours - scale * np.roll(theirs, 1, axis=0)).max() > 0.2 * 8000, "test invalid"


def test_light_adds_and_frames_are_apart():
    a, b = (0, 10.3, 16, 5000), (0, 11.9, 16, 3000)
    movie = optics.render(drawn(a, b, (2, 5.5, 5.5, 1000), frames=4), QUIET, seed=1)
    schema.check(movie, schema.MOVIE, "movie")
    images = movie.counts.values.astype(float)
    assert images.shape == (4, 33, 33)
    np.testing.assert_allclose(images[0], image_of(a) + image_of(b), atol=1)  # rounded counts
    assert images[1].max() == 0
    assert images[2].max() == 1000
    assert images[3].max() == 0
    assert movie.row_size.values.tolist() == [4]


@pytest.mark.parametrize("x", [-999.0, -9, 0.0, 0.5, 32.5, 33.0, 41.4, 41.5, 1000.0])
def test_a_spot_near_or_over_the_edge_casts_what_falls_inside(x):
    image = image_of((0, x, 16.5, 1000))
    brightest = max(image[16, 0], image[16, -1])
    expected = 1000 * np.exp(-(max(0, 0.5 - x, x - 32.5) ** 2) / 2)
    assert brightest == pytest.approx(expected, abs=70)  # half a pixel off: peak and rings differ


def test_shot_noise_has_the_variance_of_its_mean():
    still = drawn(*[(frame, 8.5, 8.5, 80) for frame in range(2000)], frames=2000, side=17)
    counts = optics.render(still, Render(), seed=1).counts.values.astype(float)
    for pixel, mean in (((8, 8), 90.0), ((0, 0), 10.0)):
        values = counts[:, *pixel]
        assert values.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 2000))
        assert values.var() == pytest.approx(mean, rel=4 * np.sqrt((2 + 1 / mean) / 2000))


def test_same_seed_same_movie_and_videos_do_not_share_noise():
    truth = simulate.build(Simulate(frames=(3, 3)), videos=2, seed=1)
    movie = optics.render(truth, Render(), seed=1)
    xr.testing.assert_identical(movie, optics.render(truth, Render(), seed=1))
    assert not movie.equals(optics.render(truth, Render(), seed=2))
    empty = drawn(frames=1)
    twice = empty.assign(row_size=("video", [0, 0]), n_frames=("video", [1, 1]))
    first, second = optics.render(twice, Render(), seed=1).counts.values
    assert (first != second).any()


def test_the_images_of_figures_are_those_of_the_movie():
    """Three of the first video, none of the second."""
    one = drawn(*[(t, 8.5, 8.5, 80) for t in range(5)], frames=5, side=17)
    both = one.isel(localization=[*range(5), *range(5)])
    both = both.assign(row_size=("video", [5, 5]), n_frames=("video", [5, 5]))
    still = optics.render(schema.first_frames(both, 3), Render(), seed=1)
    whole = optics.render(both, Render(), seed=1)
    assert still.row_size.values.tolist() == [3, 0]
    np.testing.assert_array_equal(still.counts, whole.counts[:3])


def test_too_bright_a_spot_saturates():
    assert image_of((0, 16.5, 16.5, 1e6)).max() == 65535


def test_a_field_of_view_need_not_be_square():
    truth = drawn((0, 40.5, 5.5, 100))
    truth.attrs["field_of_view"] = [20, 50]
    counts = optics.render(truth, QUIET, seed=1).counts
    assert counts.shape == (1, 20, 50)
    assert counts.values[0, 5, 40] == 100
