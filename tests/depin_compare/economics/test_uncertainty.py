"""Draws by key, and what becomes of paths under them: against numpy, and against loops that take a draw at a time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from depin_compare.bands import Band
from depin_compare.economics.uncertainty import QUANTILES, Draws, path_quantiles, spread, triangular
from depin_compare.errors import ModelDomainError

_ends = st.floats(-100.0, 100.0)
bands = st.lists(_ends, min_size=3, max_size=3).map(sorted).map(lambda ends: Band(*ends))
ratios = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 12), st.integers(1, 40)), elements=st.floats(0.01, 3.0) | st.just(math.inf)
)


# Draws.


@given(bands)
def test_a_triangular_draw_keeps_to_its_band_and_is_that_of_scipy(band):
    uniform = np.linspace(0.0, 1.0, 101)
    drawn = triangular(uniform, band)
    assert drawn.min() >= band.low - 1e-9
    assert drawn.max() <= band.high + 1e-9
    width = band.high - band.low
    if width > 1e-6:
        expected = stats.triang((band.central - band.low) / width, band.low, width).ppf(uniform)
        assert np.allclose(drawn, expected, atol=1e-6 * max(1.0, width))


def test_a_column_hangs_on_key_seed_and_size_alone():
    band = Band(1.0, 2.0, 4.0)
    alone = Draws(size=512, seed=3).of("b", band)
    among = Draws(size=512, seed=3)
    among.of("a", band)
    among.of("pass_through", Band(0.0, 0.5, 1.0))
    assert np.array_equal(among.of("b", band), alone)
    assert not np.array_equal(among.of("a", band), alone)
    assert not np.array_equal(Draws(size=512, seed=4).of("b", band), alone)
    # One key with another band moves in step: one chip, at two networks' prices.
    assert np.array_equal(np.argsort(among.of("b", Band(5.0, 6.0, 9.0))), np.argsort(alone))


@pytest.mark.parametrize("key", ["pass_through", "event", "price of somebody"])
def test_every_column_is_even(key):
    uniform = np.sort(Draws(size=1024, seed=11).uniform(key))
    # Stratified: one draw in each of as many equal parts.
    assert np.array_equal(np.floor(uniform * 1024), np.arange(1024))


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.5, 1.0])
def test_a_pair_has_its_correlation_and_each_keeps_its_own_spread(rho):
    draws = Draws(size=8192, seed=1, correlations={("price", "use"): rho})
    price, use = draws.uniform("price"), draws.uniform("use")
    measured = np.corrcoef(stats.norm.ppf(price), stats.norm.ppf(np.clip(use, 1e-12, 1 - 1e-12)))[0, 1]
    # The standard error of a correlation is (1 - rho^2) / sqrt(n): four of them.
    assert measured == pytest.approx(rho, abs=4 * (1 - rho**2) / math.sqrt(8192) + 1e-6)
    assert stats.kstest(use, "uniform").pvalue > 1e-3


def test_an_event_happens_as_often_as_its_probability_says():
    draws = Draws(size=4096, seed=5)
    band = Band(0.1, 0.15, 0.25)
    happens = draws.happens("event", band)
    assert set(happens) == {0.0, 1.0}
    chance = (0.1 + 0.15 + 0.25) / 3  # mean of the triangle
    assert happens.mean() == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / 4096))
    assert not draws.happens("event", Band.certain(0.0)).any()
    assert draws.happens("event", Band.certain(1.0)).all()


@pytest.mark.parametrize("size", [0, 1, 1000, 4095])
def test_a_size_that_is_no_power_of_two_is_refused(size):
    with pytest.raises(ModelDomainError, match="power of two"):
        Draws(size=size)


def test_a_correlation_beyond_one_is_refused():
    with pytest.raises(ModelDomainError, match="correlation"):
        Draws(size=4, correlations={("a", "b"): 1.5})


# Paths.


@given(ratios, st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5))
def test_quantiles_are_those_of_numpy(paths, quantiles):
    paths = 1.0 - paths
    expected = np.array(
        [[np.sort(row)[max(1, math.ceil(q * len(row) - 1e-9)) - 1] for row in paths] for q in quantiles]
    )
    before = paths.copy()
    assert np.array_equal(path_quantiles(paths, quantiles), expected)
    assert np.array_equal(paths, before)


@given(arrays.arrays(np.float64, (3, 64), elements=st.floats(-5, 5)))
def test_and_numpy_has_a_name_for_them(paths):
    expected = np.quantile(paths, QUANTILES, axis=1, method="inverted_cdf")
    assert np.array_equal(path_quantiles(paths), expected)


def crossing(path: np.ndarray, years: np.ndarray) -> float:
    """When one draw's ratio first reaches 1, rising at a steady rate between months."""
    for month, ratio in enumerate(path):
        if ratio >= 1.0:
            if month == 0:
                return 0.0
            before = path[month - 1]
            share = 0.0 if math.isinf(ratio) else math.log(1.0 / before) / math.log(ratio / before)
            return years[month - 1] + share * (years[month] - years[month - 1])
    return math.inf


@given(ratios, st.integers(0, 2**32 - 1))
def test_a_spread_is_what_a_loop_over_the_draws_finds(paths, seed):
    months, n = paths.shape
    years = np.arange(months) / 12
    crossings = [crossing(paths[:, draw], years) for draw in range(n)]
    among = np.random.default_rng(seed).integers(0, 2, n).astype(float)
    told = spread(paths.copy(), years, among=among)
    for month in range(months):
        assert told.lost[month] == np.mean([bool((paths[: month + 1, d] >= 1.0).any()) for d in range(n)])
    for q, found in zip(QUANTILES, told.years, strict=True):
        expected = sorted(crossings)[max(1, math.ceil(q * n - 1e-9)) - 1]
        assert found == expected or math.isclose(found, expected, abs_tol=1e-9)
    assert np.array_equal(told.quantiles, path_quantiles(1.0 - paths))
    chosen = [c for c, a in zip(crossings, among, strict=True) if a]
    assert told.lost_among == (pytest.approx(np.mean(np.isfinite(chosen))) if chosen else None)


@given(ratios)
def test_a_quantile_of_the_path_is_lost_in_just_the_months_in_which_that_share_is(paths):
    rising = np.maximum.accumulate(paths, axis=0)
    told = spread(rising.copy(), np.arange(len(rising)) / 12)
    for q, path in zip(QUANTILES, told.quantiles, strict=True):
        assert np.array_equal(path <= 0, told.lost >= q - 1e-9)


@given(ratios, st.floats(0.1, 2.0))
def test_knowing_the_highest_so_far_in_other_units_changes_nothing(paths, scale):
    years = np.arange(len(paths)) / 12
    start = np.full(paths.shape[1], scale)
    plain = spread(paths * start, years)
    known = spread(
        paths * start, years, highest=np.maximum.accumulate(paths * start, axis=0), limit=np.ones_like(start)
    )
    assert np.array_equal(plain.lost, known.lost)
    assert np.array_equal(plain.years, known.years)


def test_what_is_not_reached_is_censored_and_never_the_horizon():
    told = spread(np.full((13, 100), 0.5), np.arange(13) / 12)
    assert np.isinf(told.years).all()
    assert not told.lost.any()
    assert told.lost_among is None
