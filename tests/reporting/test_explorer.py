"""The explorer: its map, its answers, and a server for this machine only."""

from __future__ import annotations

import http.client
import json
import re
import threading
from importlib.resources import files
from urllib.parse import urlencode

import numpy as np
import pytest

from molvae.chemistry.molecule import parse
from molvae.errors import InputError, StorageError
from molvae.latent.interpolation import interpolate
from molvae.latent.neighbors import neighborhood
from molvae.reporting import explorer_server
from molvae.reporting.explorer import Explorer, known_molecules
from molvae.reporting.explorer_server import ExplorerServer, serve
from molvae.reporting.shown_model import Plane
from tests.browser import look, needs_chromium
from tests.conftest import little_smiles

ONE, OTHER = "CCc1ccc(CC)cc1", "CCC1CCC(CO)CC1"


@pytest.fixture(scope="module")
def known(tiny_model):
    return known_molecules(tiny_model, [*little_smiles()[::6], "not a molecule"], 60)


@pytest.fixture(scope="module")
def server(tiny_model, known):
    served = ExplorerServer(Explorer(tiny_model, "tiny <b>", known))
    thread = threading.Thread(target=serve, args=(served,), daemon=True)
    thread.start()
    yield served
    served.shutdown()
    thread.join(10)


def get(server, path, **headers):
    """Status, headers and body of a raw request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request("GET", path, headers=headers)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, dict(reply.getheaders()), body


def ask(server, name, **given):
    status, _, body = get(server, f"/{server.token}/{name}?{urlencode(given)}")
    return status, json.loads(body)


def test_a_plane_shows_the_greatest_variance_and_moves_nothing_else():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(500, 6)) * [1.0, 5.0, 1.0, 3.0, 0.5, 0.1] + 7.0
    plane = Plane(np.vstack([z, np.full((1, 6), np.nan)]))
    assert np.abs(plane.axes).argmax(axis=0).tolist() == [1, 3]
    np.testing.assert_allclose(plane.axes.T @ plane.axes, np.eye(2), atol=1e-12)
    assert plane.share == pytest.approx(plane.place(z).var(axis=0, ddof=1) / z.var(axis=0, ddof=1).sum())
    moved = plane.moved(z[:5], (1.0, -2.0))
    np.testing.assert_allclose(plane.place(moved), np.tile([1.0, -2.0], (5, 1)), atol=1e-4)
    off = np.eye(6) - plane.axes @ plane.axes.T
    np.testing.assert_allclose(moved @ off, z[:5] @ off, atol=1e-4)
    with pytest.raises(InputError, match="at least 3"):
        Plane(z[:2])


def test_answers_are_those_of_the_library(server, tiny_model):
    status, facts = ask(server, "model")
    assert (status, facts["name"], facts["latent_size"]) == (200, "tiny <b>", tiny_model.latent_size)
    assert facts["properties"] == list(tiny_model.property_names)
    _, shown = ask(server, "molecule", smiles=f"{ONE}.Cl")
    assert shown["smiles"] == parse(ONE).smiles, "standardized as in training"
    (back,) = tiny_model.reconstruct([ONE])
    assert shown["reconstruction"]["smiles"] == getattr(back, "smiles", None)
    assert shown["reconstruction"]["exact"] == (back == parse(ONE))
    assert shown["predicted"] == pytest.approx(tiny_model.predict([ONE]).mean[0].tolist(), rel=1e-5)
    assert shown["drawing"].startswith('<svg class="mol"')
    assert 'aria-label="CCc1ccc(CC)cc1"' in shown["drawing"]
    _, near = ask(server, "neighbors", smiles=ONE, radius=2, draws=30, seed=4)
    expected = neighborhood(tiny_model, ONE, radius=2.0, n_draws=30, seed=4)
    assert [item["smiles"] for item in near["neighbors"]] == [
        item.molecule.smiles for item in expected.neighbors[: len(near["neighbors"])]
    ]
    assert (near["n_valid"], near["n_parent"]) == (expected.n_valid, expected.n_parent)
    _, way = ask(server, "path", start=ONE, end=OTHER, steps=5)
    assert [w["smiles"] for w in way["waypoints"]] == [
        getattr(w.molecule, "smiles", None) for w in interpolate(tiny_model, ONE, OTHER, n_steps=5)
    ]


def test_the_first_neighbors_differ_from_the_molecule(tiny_model, known, monkeypatch):
    assert Explorer(tiny_model, "tiny", known).facts()["radius"] == 1.0, "without a calibration"
    curve = {"radius": [1, 2, 3], "similarity": [0.9, 0.7, 0.5], "validity": [1, 1, 1], "n_molecules": 9}
    monkeypatch.setitem(tiny_model.settings.facts, "similarity_by_radius", curve)
    assert Explorer(tiny_model, "tiny", known).facts()["radius"] == pytest.approx(2.5)


def test_the_map_holds_the_known_molecules_and_a_place_on_it_is_reached(server, tiny_model):
    _, drawn = ask(server, "map")
    assert 50 < len(drawn["points"]) <= 60
    z = tiny_model.posterior([point["smiles"] for point in drawn["points"]])[0]
    places = np.array([point["at"] for point in drawn["points"]])
    np.testing.assert_allclose(Plane(z).place(z), places, atol=1e-4)
    point = drawn["points"][3]
    _, stayed = ask(server, "place", smiles=point["smiles"], x=point["at"][0], y=point["at"][1])
    _, itself = ask(server, "molecule", smiles=point["smiles"])
    assert stayed["smiles"] == itself["reconstruction"]["smiles"], "no move is a reconstruction"


@pytest.mark.parametrize(
    ("name", "given", "status", "said"),
    [
        ("molecule", {"smiles": "CC(=O)X"}, 400, "'CC(=O)X' is not a molecule"),
        ("molecule", {}, 400, "'smiles' is missing"),
        ("molecule", {"smiles": "C" * 1500}, 400, "characters, over"),
        ("neighbors", {"smiles": ONE, "radius": "far"}, 400, "'radius' must be a number from 0 to 10"),
        ("neighbors", {"smiles": ONE, "radius": 1, "draws": 1e9}, 400, "'draws' must be a number"),
        ("path", {"start": ONE, "end": "x<script>"}, 400, "is not a molecule"),
        ("place", {"smiles": ONE, "x": "nan", "y": 0}, 400, "'x' must be a number"),
        ("../config.json", {}, 404, "there is no"),
    ],
)
def test_what_cannot_be_answered_says_why(server, name, given, status, said):
    got, answer = ask(server, name, **given)
    assert got == status
    assert said in answer["error"]


def test_only_who_has_the_address_is_answered_and_no_other_name_of_this_machine(server):
    token, port = server.token, server.server_port
    assert server.server_address[0] == "127.0.0.1"
    assert len(token) >= 24
    for path in ("/", "/explore.js", "/model", f"/{token[:-1]}/model", f"/{token}x/model"):
        assert get(server, path)[0] == 403
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1:1", "[::1]"):
        assert get(server, f"/{token}/model", Host=host)[0] == 403
    status, headers, page = get(server, f"/{token}/", Host=f"localhost:{port}")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert b"http" not in page, "the page asks nobody else"
    for name in ("report.css", "explore.css", "explore.js"):
        assert get(server, f"/{token}/{name}")[0] == 200


def test_a_port_in_use_is_said(server):
    with pytest.raises(StorageError, match=f"port {server.server_port}"):
        ExplorerServer(server.explorer, server.server_port)


ACTS = b"""
const until = (holds) => new Promise((done) => {
  const timer = setInterval(() => { if (holds()) { clearInterval(timer); done(); } }, 50);
});
(async () => {
  const told = document.body.dataset;
  await until(() => told.ready);
  $("theme").click();
  $("step").value = $("step").max;
  $("step").dispatchEvent(new Event("input"));
  told.end = $("step-tile").querySelector(".name").textContent;
  $("radius").value = 3;
  for (const kind of ["input", "change"]) $("radius").dispatchEvent(new Event(kind));
  await until(() => !$("near").classList.contains("busy"));
  told.radius = $("radius-shown").textContent;
  const point = document.querySelectorAll("#map .point")[7];
  point.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  await until(() => state.current.smiles === point.dataset.smiles && !$("way").classList.contains("busy"));
  $("smiles").value = "CC(=O)X";
  $("go").requestSubmit();
  await until(() => !$("trouble").hidden);
  told.acted = point.dataset.smiles;
})();
"""


class Acting:
    """The files of the page, with actions of a user at the end of its script."""

    def joinpath(self, folder, name):
        self.content = files("molvae.reporting").joinpath(folder, name).read_bytes()
        self.content += ACTS if name == "explore.js" else b""
        return self

    def read_bytes(self):
        return self.content


@needs_chromium
def test_in_a_browser_the_page_fills_answers_a_visitor_and_complains_of_nothing(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(explorer_server, "files", lambda _: Acting())
    seen = look(f"{server.url}#{ONE}", tmp_path / "profile", "--window-size=1280,1900")
    told = dict(re.findall(r'data-([a-z]+)="([^"]*)"', seen.html[seen.html.index("<body") :][:300]))
    assert seen.console == [line for line in seen.console if "400 (Bad Request)" in line], (
        "but for the SMILES that is none"
    )
    assert told["ready"] == "yes"
    assert "tiny &lt;b&gt;" in seen.html, "a name is text, never markup"
    assert seen.html.count('class="point') > 50
    assert seen.html.count('<svg class="mol"') >= 5, "the molecule, its reconstruction and the way"
    assert "60 points around it" in seen.html
    assert told["end"].startswith("100 %")
    assert told["radius"].startswith("3.0")
    assert parse(told["acted"]).smiles in seen.html
    assert 'data-theme="' in seen.html
    assert "'CC(=O)X' is not a molecule" in seen.html
