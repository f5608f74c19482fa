"""A hologram is what Mie theory says, in the limit what DeepTrack draws, and conserves light."""

import warnings

import numpy as np
import pytest
import xarray as xr
from drawn import spheres

with warnings.catch_warnings(action="ignore"):
    import deeptrack  # before magik: its import hook would have all of torch compiled anew

from magik import holography, schema
from magik.config import Render

QUIET = Render(modality="holography", background=10_000, poisson=False)
NOISY = Render(modality="holography", background=1000)


def image_of(*rows: tuple, config: Render = QUIET, **kwargs: float) -> np.ndarray:
    """In units of the beam alone."""
    counts = holography.render(spheres(*rows, **kwargs), config, seed=1).counts.values[0]
    return counts / config.background


def deeptracks_own(*rows: tuple, side: int, amp_factor: float = -1) -> np.ndarray:
    """The middle 64 x 64 px of what DeepTrack makes of all spheres on `side` x `side` px."""
    microscope = deeptrack.Holography(
        NA=QUIET.numerical_aperture,
        wavelength=QUIET.wavelength_um * 1e-6,
        resolution=QUIET.pixel_size_um * 1e-6,
        magnification=1,
        refractive_index_medium=QUIET.medium_index,
        output_region=(0, 0, side, side),
        padding=(64, 64, 64, 64),
    )
    edge = (side - 64) // 2
    sample = None
    for _, x, y, z, index in rows:
        sphere = deeptrack.MieSphere(
            radius=4 * QUIET.pixel_size_um * 1e-6,
            refractive_index=index,
            position=(y - 0.5 + edge, x - 0.5 + edge),  # from the middle of the first pixel
            z=-(z + QUIET.focus),
            input_polarization=None,
            output_polarization=None,
            amp_factor=amp_factor,
        )
        sample = sphere if sample is None else sample & sphere
    return np.asarray(microscope(sample)())[edge : edge + 64, edge : edge + 64, 0]


def rms(difference: np.ndarray) -> float:
    return float(np.sqrt((difference**2).mean()))


SCENE = ((0, 34.1, 30.8, 0, 1.35), (0, 25.5, 20.5, 30, 1.55), (0, 50.7, 13.8, 24, 1.42))


def test_a_hologram_is_what_deeptrack_itself_draws_of_all_spheres_on_a_wide_image():
    """Its far field in a plane at a distance: the wider the image, the farther the plane."""
    ours = image_of(*SCENE)
    near, wide = (rms(deeptracks_own(*SCENE, side=side) - ours) for side in (96, 384))
    contrast = rms(ours - 1)
    assert wide < 0.09 * contrast
    assert wide < near / 3
    assert rms(deeptracks_own(*SCENE, side=384, amp_factor=1) - ours) > contrast, "test invalid"


@pytest.mark.parametrize("index", [1.36, 1.45, 1.55])
def test_a_sphere_takes_from_the_beam_what_it_scatters(index):
    """Optical theorem: what the forward wave takes away is what all waves carry off.

    Up to 2 % are carried off beyond the pupil, or in the other polarization.
    """
    config = QUIET.model_copy(update={"numerical_aperture": 1.3})
    pupil = holography.pupil_of(config, 256)
    radial = np.hypot(*pupil.frequency)
    wave = holography.wave(index, 4.0, radial, config)
    cosine = 1 + pupil.defocus / holography.wave_number(config)
    taken = -2 * wave[radial == 0].real.item()
    carried_off = (np.abs(wave) ** 2 * cosine).sum() / 256**2
    assert 0.98 * taken < carried_off < taken


def test_a_faint_sphere_in_focus_delays_the_beam_by_its_optical_path():
    """2π / λ · 2 radius · (index - that of the medium), on its axis."""
    pupil = holography.pupil_of(QUIET, 256)
    wave = holography.wave(1.335, 10.0, np.hypot(*pupil.frequency), QUIET)
    on_axis = 1 + holography.on_camera(wave, pupil)[0, 0]
    expected = 2 * np.pi / QUIET.wavelength_um * 2 * 10 * QUIET.pixel_size_um * 0.005
    assert np.angle(on_axis) == pytest.approx(expected, rel=0.1)
    assert abs(on_axis) == pytest.approx(1, abs=0.03)


def test_a_hologram_is_round_about_x_and_y_counted_from_the_corner():
    """A sphere in the middle of pixel [20, 33], seen alike from all sides."""
    image = image_of((0, 33.5, 20.5, 10, 1.45))
    square = image[0:41, 13:54]
    np.testing.assert_array_equal(square, square[::-1])
    np.testing.assert_array_equal(square, square.T)
    moved = image_of((0, 30.5, 24.5, 10, 1.45))
    np.testing.assert_allclose(moved[4:, :-3], image[:-4, 3:], atol=2 / QUIET.background)


def test_fringes_widen_with_the_distance_from_the_plane_in_focus():
    def width(z: float) -> float:
        row, column = np.indices((64, 64)) + 0.5
        bright = (image_of((0, 32, 32, z, 1.45)) - 1) ** 2
        return np.sqrt(np.average((row - 32) ** 2 + (column - 32) ** 2, weights=bright))

    assert width(0) < 0.8 * width(16) < 0.64 * width(32)


def test_fields_add_and_not_holograms():
    a, b = (0, 30, 32, 5, 1.5), (0, 34, 32, 9, 1.5)
    together, apart = image_of(a, b), image_of(a) + image_of(b) - 1
    assert np.abs(together - apart).max() > 0.3


def test_frames_without_spheres_show_the_beam_with_shot_noise():
    movie = holography.render(spheres((1, 32, 32, 8, 1.5), frames=3), NOISY, seed=1)
    schema.check(movie, schema.MOVIE, "movie")
    first, with_sphere, last = movie.counts.values.astype(float)
    for image in (first, last):
        assert image.mean() == pytest.approx(1000, abs=4 * np.sqrt(1000) / 64)
        assert image.var() == pytest.approx(1000, rel=4 * np.sqrt(2) / 64)
    assert with_sphere.var() > 10_000
    assert (first != last).any()


def test_a_sphere_beyond_the_edge_casts_only_its_fringes():
    assert rms(image_of((0, -6, 32, 20, 1.5))[:, :20] - 1) > 0.05
    assert rms(image_of((0, -100, 32, 20, 1.5)) - 1) == 0


def test_same_seed_same_movie():
    truth = spheres((0, 32, 32, 8, 1.5), frames=2)
    movie = holography.render(truth, NOISY, seed=1)
    xr.testing.assert_identical(movie, holography.render(truth, NOISY, seed=1))
    assert not movie.equals(holography.render(truth, NOISY, seed=2))


def test_a_field_of_view_need_not_be_square():
    """Nor does it change the hologram, but for what wraps round the canvas, 2 % of the beam."""
    truth = spheres((0, 40.5, 5.5, 0, 1.5))
    square = holography.render(truth, QUIET, seed=1).counts.values
    truth.attrs["field_of_view"] = [20, 50]
    wide = holography.render(truth, QUIET, seed=1).counts.values
    assert wide.shape == (1, 20, 50)
    np.testing.assert_allclose(wide, square[:, :20, :50], atol=0.025 * 10_000)
