"""Operations of latent space: paths, neighborhoods, directions and the domain, on a tiny model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from molvae.chemistry.molecule import Invalid, is_valid, parse
from molvae.errors import InputError, UsageError
from molvae.latent.arithmetic import learn_direction, shift
from molvae.latent.calibration import calibrate, likelihood
from molvae.latent.codec import MolVAE
from molvae.latent.domain import ApplicabilityDomain, Likelihood, require_domain
from molvae.latent.interpolation import distinct, interpolate, path_points
from molvae.latent.neighbors import SimilarityCurve, neighborhood
from tests.conftest import little_smiles

VECTOR = arrays(np.float64, 5, elements=st.floats(-3, 3))


@pytest.fixture(scope="module")
def calibrated(tiny_model):
    molecules = little_smiles()
    return calibrate(tiny_model, molecules[::2], molecules[1::2], n_parents=10)


class TestInterpolation:
    @given(VECTOR, VECTOR)
    def test_a_path_has_its_ends_and_lengths_between(self, a, b):
        for kind in ("linear", "spherical"):
            points = path_points(a, b, 7, kind)
            np.testing.assert_allclose(points[[0, -1]], [a, b], atol=1e-5)
        lengths = np.linalg.norm(path_points(a, b, 7), axis=1)
        low, high = sorted([np.linalg.norm(a), np.linalg.norm(b)])
        opposite = np.linalg.norm(a / max(np.linalg.norm(a), 1e-9) + b / max(np.linalg.norm(b), 1e-9)) < 1e-3
        if low > 0.1 and not opposite:
            assert (lengths >= low - 1e-3).all()
            assert (lengths <= high + 1e-3).all()

    def test_ends_are_the_reconstructions_and_similarities_are_true(self, tiny_model):
        start, end = "CCCc1ccc(CO)cc1", "NC1CCC(CCN)CC1"
        path = interpolate(tiny_model, start, end, n_steps=5, n_tries=1)
        first, last = tiny_model.reconstruct([start, end])
        assert [path[0].molecule, path[-1].molecule] == [first, last]
        assert [waypoint.position for waypoint in path] == [0.0, 0.25, 0.5, 0.75, 1.0]
        for waypoint in path:
            assert is_valid(waypoint.molecule) == (waypoint.to_start == waypoint.to_start)
        if first == parse(start):
            assert path[0].to_start == 1.0
        found = distinct(path)
        assert len({waypoint.molecule for waypoint in found}) == len(found)

    def test_more_tries_leave_no_fewer_molecules(self, tiny_model):
        ends = "CC(C)C(=O)NCC(F)F", "N#Cc1ccc(CCCl)s1"
        once, often = (interpolate(tiny_model, *ends, n_steps=9, n_tries=n) for n in (1, 20))
        assert sum(is_valid(w.molecule) for w in often) >= sum(is_valid(w.molecule) for w in once)
        assert all(w.n_decodes == 1 for w in once)
        assert often == interpolate(tiny_model, *ends, n_steps=9, n_tries=20)

    def test_an_invalid_molecule_is_rejected(self, tiny_model):
        with pytest.raises(InputError, match="not a molecule"):
            interpolate(tiny_model, "CCO", "C1CC")
        with pytest.raises(UsageError, match="at least 2"):
            interpolate(tiny_model, "CCO", "CC", n_steps=1)


class TestNeighbors:
    def test_all_draws_are_accounted_for(self, tiny_model):
        found = neighborhood(tiny_model, "CCCc1ccc(CO)cc1", radius=1.5, n_draws=80)
        assert found.n_valid == found.n_parent + sum(neighbor.n_found for neighbor in found.neighbors)
        similarities = [neighbor.similarity for neighbor in found.neighbors]
        assert similarities == sorted(similarities, reverse=True)
        assert found.parent not in [neighbor.molecule for neighbor in found.neighbors]

    def test_radius_zero_is_the_reconstruction(self, tiny_model):
        found = neighborhood(tiny_model, "CCCc1ccc(CO)cc1", radius=0.0, n_draws=5)
        (back,) = tiny_model.reconstruct(["CCCc1ccc(CO)cc1"])
        molecules = [neighbor.molecule for neighbor in found.neighbors] + [found.parent] * found.n_parent
        assert set(molecules) == ({back} if is_valid(back) else set())

    def test_the_curve_falls_and_is_kept(self, calibrated, tmp_path):
        calibrated.save(tmp_path / "model")
        curve = SimilarityCurve.from_facts(MolVAE.load(tmp_path / "model", device="cpu").settings.facts)
        assert curve.similarity[0] > curve.similarity[-1]
        assert curve.radius_for(1.0) <= curve.radius_for(0.5) <= curve.radius_for(0.0)

    def test_an_uncalibrated_model_says_so(self, tiny_model):
        with pytest.raises(UsageError, match="radius"):
            SimilarityCurve.from_facts(tiny_model.settings.facts)


class TestArithmetic:
    def test_means_of_a_yes_or_no_attribute_are_their_difference(self):
        generator = np.random.default_rng(0)
        z, yes = generator.normal(size=(60, 4)), np.arange(60) % 3 == 0
        direction = learn_direction(z, yes.astype(float), name="ring")
        np.testing.assert_allclose(direction.vector, z[yes].mean(0) - z[~yes].mean(0), rtol=1e-5)

    def test_a_ridge_step_raises_the_regression_by_one_and_missing_values_teach_nothing(self):
        generator = np.random.default_rng(1)
        z = generator.normal(size=(400, 6))
        weights = generator.normal(size=6)
        values = z @ weights
        values[::7] = np.nan
        direction = learn_direction(z, values, method="ridge")
        assert direction.n == 400 - len(values[::7])
        assert direction.vector @ weights == pytest.approx(1.0, rel=0.05)
        assert direction.r2 > 0.99

    def test_an_attribute_that_never_varies_has_no_direction(self):
        with pytest.raises(InputError, match="is the same for all"):
            learn_direction(np.zeros((50, 3)), np.ones(50), name="constant")

    def test_no_shift_is_the_reconstruction_and_rows_stay(self, tiny_model):
        molecules = ["CCCc1ccc(CO)cc1", "not a molecule", "NC1CCC(CCN)CC1"]
        direction = learn_direction(tiny_model.encode(little_smiles()), np.arange(len(little_smiles())) % 9)
        moved = shift(tiny_model, molecules, direction, 0.0)
        assert [item.molecule for item in moved[::2]] == tiny_model.reconstruct(molecules[::2])
        assert isinstance(moved[1].parent, Invalid)
        assert isinstance(moved[1].molecule, Invalid)


class TestDomain:
    def test_likelihoods_are_those_of_the_network_one_by_one(self, tiny_model):
        molecules = ["CCCc1ccc(CO)cc1", "C1CC", "CCNC(=O)CC"]
        together = likelihood(tiny_model, molecules)
        assert np.isnan(together.reconstruction[1])
        for row in (0, 2):
            alone = likelihood(tiny_model, [molecules[row]])
            assert together.reconstruction[row] == pytest.approx(alone.reconstruction[0], abs=1e-4)
            assert together.kl[row] == pytest.approx(alone.kl[0], rel=1e-4)
            np.testing.assert_allclose(
                together.mu[row], tiny_model.posterior([molecules[row]])[0][0], atol=1e-5
            )

    def test_held_out_molecules_raise_as_many_false_alarms_as_was_said(self, calibrated):
        inside = calibrated.domain.score(likelihood(calibrated, little_smiles()[1::2])).inside(0.2)
        assert inside.mean() == pytest.approx(0.8, abs=0.03)

    def test_foreign_and_unreadable_molecules_are_outside(self, calibrated):
        foreign = [
            "C1CC2CC1C2",
            "OC(O)C(O)C(O)C(O)C(O)C(O)CO",
            "c1ccc2c(c1)c1ccccc1c1ccccc21",
            "FC(F)(F)C(F)(F)F",
        ]
        own = little_smiles()[::9]
        scores = calibrated.domain.score(likelihood(calibrated, [*own, *foreign, "C1CC"]))
        truth = np.r_[np.zeros(len(own)), np.ones(len(foreign))]
        assert roc_auc_score(truth, scores.combined[:-1]) > 0.9
        assert np.isnan(scores.combined[-1])
        assert not scores.inside()[-1]

    def test_beyond_the_calibrated_range_molecules_grow_stranger_still(self):
        def molecules(reconstruction):
            n = len(reconstruction)
            mu = np.random.default_rng(n).standard_normal((n, 4))
            return Likelihood(np.asarray(reconstruction), np.ones(n), np.full(n, 10.0), mu)

        generator = np.random.default_rng(0)
        held_out = molecules(generator.uniform(5.0, 10.0, size=500))
        domain = ApplicabilityDomain.fit(generator.standard_normal((300, 4)), held_out, generator=generator)
        strange = molecules([20.0, 40.0, 80.0])
        strange.mu[:] = 0.0  # alike in all else
        assert (np.diff(domain.score(strange).combined) > 1.0).all()

    def test_it_travels_with_the_checkpoint_and_damage_is_refused(self, calibrated, tmp_path):
        calibrated.save(tmp_path / "model")
        back = MolVAE.load(tmp_path / "model", device="cpu")
        molecules = little_smiles()[:5]
        expected = calibrated.domain.score(likelihood(calibrated, molecules))
        np.testing.assert_array_equal(
            back.domain.score(likelihood(back, molecules)).combined, expected.combined
        )
        wrong = {**calibrated.domain.arrays(), "factor": np.zeros((3, 3), dtype=np.float32)}
        with pytest.raises(ValueError, match="factor"):
            ApplicabilityDomain.from_arrays(wrong, calibrated.latent_size)

    @pytest.mark.parametrize("name", ["factor", "reference", "quantiles"])
    def test_senseless_values_are_refused(self, calibrated, name):
        arrays = calibrated.domain.arrays()
        wrong = {
            "factor": 0 * arrays["factor"],
            "reference": arrays["reference"][:0],
            "quantiles": -arrays["quantiles"],
        }
        with pytest.raises(ValueError, match=name):
            ApplicabilityDomain.from_arrays({**arrays, name: wrong[name]}, calibrated.latent_size)

    def test_an_uncalibrated_model_says_so(self, tiny_model):
        with pytest.raises(UsageError, match="calibrate"):
            require_domain(tiny_model.domain)
