"""The process: interpolates, keeps to what applies, heeds each observation's variance."""

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from study.search.front.model import Effects, Encoding, Model

X = np.linspace(0, 1, 12)[:, None]
Y = np.sin(5 * X[:, 0])
ONE = np.zeros(1, dtype=int)


def test_it_interpolates_and_is_unsure_between() -> None:
    model = Model(X, Y, np.zeros(12), ONE)
    mean, deviation = model.predict(np.array([[0.31], [0.77]]))
    np.testing.assert_allclose(mean, np.sin(5 * np.array([0.31, 0.77])), atol=0.05)
    few = Model(X[[0, 3, 11]], Y[[0, 3, 11]], np.zeros(3), ONE)
    assert few.predict(np.array([[0.7]]))[1] > 3 * deviation[1]


def test_an_observation_of_large_variance_counts_little() -> None:
    wrong = Y.copy()
    wrong[5] += 5.0
    variance = np.zeros(12)
    variance[5] = 100.0
    mean, _ = Model(X, wrong, variance, ONE).predict(X[5:6])
    assert mean[0] == pytest.approx(Y[5], abs=0.3)


def test_seeds_are_noise() -> None:
    generator = np.random.default_rng(0)
    x = np.repeat(np.linspace(0, 1, 10), 4)[:, None]
    model = Model(x, x[:, 0] + 0.2 * generator.standard_normal(40), np.zeros(40), ONE)
    mean, deviation = model.predict(np.array([[0.5]]))
    assert mean[0] == pytest.approx(0.5, abs=0.12)
    assert deviation[0] < 0.15


def test_more_observations_may_be_added() -> None:
    model = Model(X[[0, 11]], Y[[0, 11]], np.zeros(2), ONE)
    before = model.predict(np.array([[0.5]]))[1]
    model.add(np.array([[0.5]]), np.array([0.0]))
    mean, deviation = model.predict(np.array([[0.5]]))
    assert mean[0] == pytest.approx(0.0, abs=0.15)
    assert deviation < before


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0, 1.0]])
def test_too_little_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="too few"):
        Model(X[: len(values)], np.array(values), np.zeros(len(values)), ONE)


def test_a_parameter_counts_only_between_points_that_have_it() -> None:
    encode = Encoding(
        {"method": CategoricalDistribution(["a", "b"]), "k": FloatDistribution(1, 100, log=True)}, {"method"}
    )
    rows = encode([{"method": "a", "k": 1.0}, {"method": "a", "k": 100.0}, {"method": "b"}, {"method": "b"}])
    assert rows.shape == (4, 4)
    assert np.linalg.norm(rows[2] - rows[3]) == 0
    assert np.linalg.norm(rows[0] - rows[1]) > 0
    np.testing.assert_allclose(np.linalg.norm(rows[0] - rows[2]), np.linalg.norm(rows[1] - rows[2]))


def test_noise_or_a_length_at_its_bound_is_no_fault(recwarn: pytest.WarningsRecorder) -> None:
    x = np.linspace(0, 1, 60)[:, None]
    Model(x, 3 * x[:, 0], np.zeros(60), ONE)  # without noise, and on a line
    assert [str(warning.message) for warning in recwarn] == []


def test_the_kernels_derivatives_are_those_of_its_values() -> None:
    x = np.random.default_rng(0).random((6, 4))
    kernel = Effects(1.3, 0.4, np.array([0.5, 0.7, 0.3]), (0, 1, 1, 2))
    value, gradient = kernel(x, eval_gradient=True)
    np.testing.assert_allclose(np.diag(value), kernel.diag(x))
    for i in range(len(kernel.theta)):
        step = 1e-6 * (np.arange(len(kernel.theta)) == i)
        slope = (kernel.clone_with_theta(kernel.theta + step)(x) - value) / 1e-6
        np.testing.assert_allclose(gradient[:, :, i], slope, atol=1e-5)


def test_what_a_parameter_does_carries_over_to_another_choice_of_the_rest() -> None:
    """Arm b was seen at one end alone; that the parameter lowers the value is known from arm a."""
    encode = Encoding({"arm": CategoricalDistribution(["a", "b"]), "t": FloatDistribution(0, 1)}, always={"arm", "t"})
    points = [{"arm": "a", "t": t} for t in np.linspace(0, 1, 8)] + [{"arm": "b", "t": 0.0}] * 2
    values = np.array([5.0 - 4.0 * p["t"] + (p["arm"] == "b") for p in points])
    model = Model(encode(points), values, np.zeros(len(points)), encode.owner_D)
    near, far = model.predict(encode([{"arm": "b", "t": 0.1}, {"arm": "b", "t": 1.0}]))[0]
    assert far < near - 1.5
