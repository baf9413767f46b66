"""Write docs/benchmarks.md and the short table of the README from the result files beside this script."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
README, PAGE = ROOT / "README.md", ROOT / "docs" / "benchmarks.md"
RESULTS = Path(__file__).resolve().parent / "results"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"

TITLES = {
    "generation": "ZINC250k: reconstruction and samples of the shipped model",
    "druglike": "ChEMBL-like molecules and approved drugs: the broad model",
    "moses": "MOSES, official protocol",
    "moses_protocol": "MOSES molecules: three training objectives",
    "metrics_golden": "Metrics against published values",
    "pmo": "PMO: sample efficiency on 20 published tasks",
    "pmo_ablation": "Ablation of the search",
    "overhead": "Overhead of the search per oracle call",
    "optimize_vs_random": "Search against random sampling at the same budget",
    "known_goals": "Computed terms of an objective: exact or modeled",
    "lead": "Lead optimization: QED at a similarity",
    "sense": "Plausibility of proposals, with and without precedent",
    "series": "From an assay table to the next plates",
    "assays": "Selecting the next plate from a collection",
    "panel": "Imputing an assay table",
    "latent_space": "Operations in latent space",
    "family": "The autoencoder family, trained alike",
    "tokenizers": "SMILES, merged tokens and SELFIES",
    "representation": "Latent vectors as features",
    "screening": "Screening throughput",
    "speed": "Training and sampling speed",
    "prepare": "Preparing ZINC250k",
    "inputs": "Standardization of input molecules",
    "report": "Report of a campaign of 1,000 calls",
    "startup": "Start-up time of the commands",
    "faults": "Fault injection",
    "house": "Size of the code",
}
"""Title of each result file, in the order of the page; others follow under their own names."""

SHORT = [
    ("ZINC250k test molecules reconstructed exactly, encoder only", "generation", "recon_mu_encoder"),
    ("… after three refinement steps", "generation", "recon_mu"),
    ("valid samples (greedy, one attempt)", "generation", "prior_validity_greedy"),
    ("FCD of 30,000 samples to the ZINC250k test set", "generation", "fcd"),
    ("… of training molecules (lower bound)", "generation", "fcd_floor"),
    ("FCD of 30,000 samples to the MOSES test set (published: CharRNN 0.073)", "moses", "fcd_test"),
    ("MOSES test molecules reconstructed exactly by the same model", "moses", "recon_encoder"),
    (
        "approved drugs reconstructed exactly by druglike: encoder only, after refinement",
        "druglike",
        "drugs_recon_encoder, drugs_recon",
    ),
    ("mean absolute error of predicted logP, QED", "generation", "mae_logp, mae_qed"),
    ("PMO, sum of AUC top-10 over 20 tasks, 1,000 calls (runs stopped early, then held)", "pmo", "pmo20_1k"),
    ("share of 886 registered salts whose correct parent is kept", "inputs", "salts_right"),
    (
        "mean true pIC50 of a proposed plate, of random proposals",
        "series",
        "mean_true_round1, mean_true_random",
    ),
    (
        "top 5 % of real assays found: molvae, random forest, random",
        "assays",
        "top5_found, top5_forest, top5_random",
    ),
    (
        "R² on hidden values of 50 ChEMBL assays: panel, best single-assay model",
        "panel",
        "assays_panel_r2, assays_best_single_r2",
    ),
    (
        "plausible molecules among the ten best (external filter): default, --wild",
        "sense",
        "sane_top10, sane_top10_wild",
    ),
]
"""Rows of the table in the README: label, result file, figures. Missing files have no row."""

NOTES = {
    "lead": (
        "The first 59 of 800 molecules of ZINC250k's test and validation splits with a QED of .7 to .8, "
        "drawn with seed 0 (the published list is not at hand). Success: QED of at least .9 at a Tanimoto "
        "similarity of at least .4 (Morgan bits, radius 2). qed800_100 and qed800_1000: share of them that "
        "succeed within 100 and 1,000 calls; every scored molecule is a call. Published: 94.6 to 97.5 % with "
        "50,000 calls, 99.0 % with 10,000. sane: of the successes, judged as in the table of proposals, with "
        "SA of at most 4.5."
    ),
    "druglike": (
        "`checkpoints/druglike`, with noise levels, trained on ChEMBL-like molecules, ZINC250k and some of "
        "MOSES, beside `checkpoints/zinc250k`. drugs: approved drugs of 10 to 38 heavy atoms, drugs_large: "
        "39 to 60; chembl and zinc: test molecules. druglike was trained on none of them but six drugs that "
        "ZINC250k writes otherwise, and perhaps some of MOSES. recon_encoder: "
        "exact, greedy, from the encoder's mean; recon: after the gradient steps of encode. neighbors_valid: "
        "share of valid draws, one attempt each, where neighbors of ChEMBL test molecules have a mean "
        "similarity of .8, .6, .4 and .2. neighbors_sane_ratio: share of plausible neighbors (judged as in "
        "the table of proposals below) over that of the test molecules. Training was one run of 1.4 hours on "
        "one core and has not converged."
    ),
    "moses": (
        "`checkpoints/moses`, trained on the training split only. 30,000 samples, one attempt each, no beam "
        "search: N(0, I) at noise level 1, tokens sampled at T = 1. Test has 176,074 molecules, TestSF "
        "176,225. The same model reconstructs molecules of Test: recon_encoder greedily from the encoder's "
        "mean, recon_sampled from a sample of its posterior, at kl nats. neighbors_valid: share of valid "
        "draws, one attempt each, where neighbors of Test molecules have a mean similarity of .8, .6, .4 "
        "and .2. Published (Polykovskiy 2020): FCD/Test of the VAE .099, which does not reconstruct, of "
        "CharRNN .073, of the training set .008. Training was one run of 1.6 hours on one core and has not "
        "converged."
    ),
    "generation": (
        "5,000 test molecules, decoded greedily from mu, the mean that encode gives after three gradient "
        "steps from the encoder's output, or from a sample of the posterior there; recon_mu_encoder and "
        "recon_sampled_encoder are without these steps, as published figures are. 30,000 samples of the "
        "prior, which are posterior samples of molecules written by a language model of the training set, "
        "one attempt each: the greedy text, or, if it is invalid, the most likely valid text of a beam "
        "search; remaining invalid samples are counted (prior_validity_greedy is the share without the "
        "beam). The floor is the FCD of 25,000 training molecules to the same test and validation "
        "molecules. Properties are computed by RDKit from the standardized molecules. JT-VAE reports 76.7 % "
        "reconstruction. moses_fcd_holdout and moses_recon_sampled are of a model trained on MOSES "
        "molecules (below)."
    ),
    "moses_protocol": (
        "Trained on 154,074 of the 176,074 MOSES test molecules, with 20,000 others held out: three KL "
        "weights with one network, and, last, a smaller network with a longer code and a language prior, in "
        "half the epochs. 5,000 held-out molecules are reconstructed as above; 20,000 samples are compared "
        "with the held-out molecules and with as many of TestSF, which has scaffolds of its own. The "
        "language model and the MOSES weight sample at temperature 1 from N(0, I), one attempt each, after "
        "fewer epochs, beyond which they change little; molvae's language prior samples at .95, with the "
        "beam search. Published, trained on ten times as many molecules: MOSES's own VAE, which does not "
        "reconstruct, .099 to Test; DD-VAE 1.13, with 95 % reconstruction from a sampled vector."
    ),
    "metrics_golden": (
        "30,000 samples of JT-VAE with published MOSES figures, measured by molvae against the full Test "
        "and TestSF sets."
    ),
    "pmo": (
        "Area under the curve of the mean of the ten best molecules so far, with every call counted; "
        "latent-bo with three seeds, latent-only (no graph moves, no library) with one. Start molecules are "
        "drawn from ZINC250k at random. Published figures use 10,000 calls and the same rules. Runs with "
        "10,000 calls were stopped earlier, except perindopril with the first seed: latent-bo mostly after "
        "3,000 or 5,000 calls (first seed) and after 1,000 to 3,000 (others; the table has the means; "
        "fewest on the two hop tasks, whose pharmacophores take seconds for large molecules), latent-only "
        "after 1,000, or once ten molecules had the maximum score. The last mean is held to the end, as the "
        "rules require, so these figures are lower bounds: pmo20_10k is 14.7 with the first seed alone. "
        "Figures at 1,000 and 300 calls are of the first calls of the same runs, held in the same way. "
        "beats_random_300 counts the tasks, of 19, on which the mean of the ten best after 300 calls "
        "exceeds the best of 310 random ZINC250k molecules. overhead_ms_per_call is of the whole run, on "
        "one of two cores with other work on the other. The model is an earlier one (60 nats, with a flow "
        "prior). The hypervolume ratios are of another task with three objectives (QED, synthetic "
        "accessibility, similarity to a drug), 500 calls and three seeds."
    ),
    "pmo_ablation": (
        "Area under the curve of the mean of the ten best, 300 calls, three tasks, three seeds: differences "
        "of a few hundredths are within noise. Adapting: after every hundred calls the decoder is "
        "fine-tuned on the molecules found, drawn by rank, and on the library; it does not help and is not "
        "part of molvae. cpu ms per call: processor time without the oracle, with other work on the "
        'machine. All rows use an earlier model, the "closer" one a model with a longer code (76 nats) and '
        "a flow."
    ),
    "overhead": (
        "The search above on one task, in one process, in wall-clock and processor time; threads are "
        "torch's. Batches grow, so later calls cost less. The model is an earlier one."
    ),
    "optimize_vs_random": (
        "Mean score of the ten best after 500 calls, mean of three seeds, all from the same ten start "
        "molecules. Random is the better of samples of the model's prior and of the starter set, which "
        "happens to contain celecoxib itself; QED cannot exceed about .948."
    ),
    "known_goals": (
        "Two objectives, each with one expensive term (a rule of functional groups; similarity to a ligand) "
        "and three computed ones, from the same start: as an mpo file, of which only the expensive term is "
        "modeled, and as one black-box function. auc: of the mean of the ten best. calls saved: until the "
        "ten best are as good as those of the black box at the end; a search that does not get there saves "
        "none. Errors are standard errors of paired differences."
    ),
    "latent_space": (
        "On ZINC250k test molecules, with the shipped model. auroc: separation of other molecules from "
        "them. Step sizes of arithmetic are chosen on other molecules. cond: mean absolute error to the "
        "requested value, for molecules that the property heads select among samples."
    ),
    "family": (
        "Equal sizes, steps, molecules (those of ZINC250k with at most 36 characters) and seed: a small "
        "model and a short training, for comparison only. recon: test molecules reconstructed from mu. "
        "validity and fcd: greedy decoding, without beam search, of z from N(0, I) or from a flow fitted to "
        "the posteriors. probe_r2: R2 of a linear model of logP, QED and SA on z."
    ),
    "tokenizers": (
        "The member of the family with a KL target, as above, with molecules as SMILES atom by atom, as "
        "SMILES with merged tokens (the default) and as SELFIES."
    ),
    "representation": (
        "Root-mean-square error, mean of five splits with a fifth held out: ridge regression and a Gaussian "
        "process on the model's posterior means (latent), on Morgan counts and on RDKit descriptors. The "
        "figures are of the better of the two. The shipped model was trained on none of these measurements."
    ),
    "screening": (
        "ZINC250k through all stages, with two bounds and an objective. The floor is RDKit's parsing and "
        "canonical SMILES alone, in one process. Overhead is the processor time of a row that is not "
        "parsing, canonicalization, standardization, descriptors or the forward pass; the second figure "
        "counts standardization as overhead too. With --clock cpu in the command, other work shared the "
        "machine, and processor time was measured. Memory is the sum over all processes; its rows are the "
        "smallest molecules through the cheapest stages (no model), so that ten million take minutes, on a "
        "machine with other work."
    ),
    "speed": (
        "Measured in turns with our re-implementation of the MOSES loops at the same sizes (ours: those of "
        "the shipped model), medians over repeats. Both sample at temperature 1; parsing is excluded. The "
        "ceiling is the share of our time that the matrix products alone would take at the same precision. "
        "On processors with AMX or AVX-512 BF16, training uses bfloat16 by default, and float32 figures are "
        "given too; everything else, and the MOSES loops, is float32. With --clock cpu in the command, "
        "other work shared the machine, and processor time was measured. The figures are the worst over the "
        "numbers of threads on the processor named below; the Xeon, with AMX, was measured with an earlier "
        "model. gflops: of the products alone."
    ),
    "prepare": (
        "The machine was busy with other work: look at processor time, half of which two free cores would "
        "take."
    ),
    "sense": (
        "Ten objectives that are not part of PMO, 300 calls, batches of 10, the same ten random ZINC250k "
        "start molecules for both arms, three seeds. Plausibility is judged by chembl-gen-check, which the "
        "search never sees: all ring systems known to ChEMBL, and no bond without precedent there. It "
        "accepts 71 % of held-out ZINC250k molecules (sane_held_out). auc_gain is the mean over objectives "
        "of the difference in AUC top-10, auc_gain_error its standard error. false_alarms: held-out ZINC250k "
        "molecules that a search would not propose, because one of their bonds or ring systems occurs in "
        "fewer than one in 10,000 training molecules; without_precedent: in none. With the looser check, any "
        "training molecule, sane_top10 was .63 and auc_gain .023 (two seeds). Tried without improvement: "
        "lift in place of counts, smoothed or not, at equal false alarms. wild also lets proposals grow "
        "beyond the sizes of the start molecules. keep_broken: of the candidates of five searches with a "
        "core to keep, those that do not have it or have grown at a closed position."
    ),
    "series": (
        "A simulated series of 397 rows as a laboratory would send it (salts, replicates, bounds, broken "
        "SMILES): molvae ask with the core kept, logP 1 to 5 and SA up to 4, then tell, and ask again. The "
        "rule behind the table is hidden from molvae; it scores each plate of 24. Baselines: samples of the "
        "model around the series within the same bounds, and the 24 molecules of a ChEMBL-like library "
        "within them that a random forest trained on the table ranks highest. repeats: proposed molecules "
        "that already have a result."
    ),
    "assays": (
        "Twelve targets with 720 to 1,000 measured compounds; a tenth is known, and five plates of 24 are "
        "chosen from the rest (--source library). Share of the best 5 % found, and molvae's lead with its "
        "standard error over targets. censored: everything below the 30th percentile is reported as a "
        "bound; dropped: it is left out. The starting tenth is drawn from the earlier part of a simulated "
        "time split."
    ),
    "panel": (
        "Docking: 6,000 compounds of DOCKSTRING and 58 proteins, nine of ten cells hidden. Assays: the 50 "
        "ChEMBL assays that share most compounds (11,273), a fifth hidden. A tenth of the compounds is "
        "entirely new (r2_new); r2 is of hidden cells of the others, whose remaining values only panel and "
        "iterative see. Means over assays; all models see the same cells and are evaluated on the same "
        "ones. ridge, gp (RBF on latent vectors, MinMax on Morgan counts) and forest see one assay; "
        "iterative is scikit-learn's IterativeImputer and sees no structures. within_90: share of values in "
        "the panel's 90 % intervals. recall_100: share of the best 1 % of hidden cells among the 100 with "
        "the best predictions. Seconds of one core."
    ),
    "inputs": (
        "Approved drugs, the repurposing hub, natural products, cyclic peptides, ZINC250k, ChEMBL-like "
        "molecules and the MOSES test set. salts_right: share of 886 registered salts for which the "
        "fragment named by ChEMBL's pipeline is kept. Counted: molecules whose standard form changes when "
        "standardized again or depends on how they were written; molecules lost between writing and reading "
        "(SMILES, CSV, Parquet, SDF); rejected molecules without metals, wildcards or unpaired electrons; "
        "drugs whose four drawings are not alike by similarity. Microseconds: processor time to "
        "standardize a parsed molecule, also with the code before."
    ),
    "report": (
        "Random search in the starter set, opened in headless Chromium, the fastest of four. Processor: "
        "seconds of all cores beyond those of an empty page. Clock: until the page has loaded."
    ),
    "startup": (
        "A new process each time, from start to end, twenty times in turns; the bare interpreter is "
        "measured for comparison."
    ),
    "faults": (
        "Kills, full disks, damaged and hostile files, oracles and texts (tests/faults); a trial fails if "
        "the promise of its family does not hold. Nightly: what scripts/faults runs without options; the "
        "trials were made in several runs. Of a family that was run again with --amend, results/faults.json "
        "keeps the earlier findings."
    ),
    "house": (
        "files_opened: files of molvae whose functions a search of 16 calls runs; deepest_stack: most frames "
        "of molvae on its stack. network_lines: of the files that a forward pass with its loss runs through. "
        "duplicates: pairs of places in the tree that share six or more lines, or their shape."
    ),
}
"""What a reader must know to read a table."""

_MOST_ROWS, _MOST_COLUMNS = 16, 9
_MOST_FIGURES = 24  # beside a summary
_LARGE = 1000
_WIDTH = 115  # of a line of text


HEAD = """# Benchmarks

Every table is printed by a script in `scripts/benchmark/`, which writes command, commit, machine and seeds
beside the figures (`scripts/benchmark/results/`); `scripts/benchmark/render.py` copies them here. Unless a
table says otherwise, the model is `checkpoints/zinc250k` as it was at the commit named below the table.
"""


def render(results: Path = RESULTS) -> str:
    """The page of all tables as Markdown."""
    files = {path.stem: path for path in sorted(results.glob("*.json"))}
    order = [name for name in TITLES if name in files] + [name for name in files if name not in TITLES]
    sections = [_section(name, json.loads(files[name].read_text(encoding="utf-8"))) for name in order]
    return "\n\n".join([HEAD.strip(), *sections]) + "\n"


def short(results: Path = RESULTS) -> str:
    """The table of the README as Markdown."""
    rows = []
    for what, name, figures in SHORT:
        path = results / f"{name}.json"
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))["figures"]
            rows.append([what, ", ".join(_shown(known[figure]) for figure in figures.split(", "))])
    return "\n".join(_table(["figure", "value"], rows))


def updated(readme: str, tables: str) -> str:
    """The README with its tables replaced.

    Raises:
        ValueError: The markers are not there, once each and in order.
    """
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in tail or END in tail:
        raise ValueError(f"the README needs {BEGIN} and {END}, once each and in this order")
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}" if tables else f"{head}{BEGIN}\n\n{END}{tail}"


def _section(name: str, content: dict[str, Any]) -> str:
    lines = [f"## {TITLES.get(name, name.replace('_', ' ').capitalize())}", ""]
    lines += [textwrap.fill(NOTES[name], _WIDTH), ""] if name in NOTES else []
    summary = content.get("summary")
    rows = summary or content.get("table") or []
    fits = bool(rows) and len(rows[0]) <= _MOST_COLUMNS and (bool(summary) or len(rows) <= _MOST_ROWS)
    figures = content.get("figures") or {}
    if figures and (not fits or (summary and len(figures) <= _MOST_FIGURES)):
        lines += _table(
            ["figure", "value"], [[name.replace("_", " "), value] for name, value in figures.items()]
        )
    if fits:
        columns = list(rows[0])
        lines += [""] if lines[-1] else []
        lines += _table(columns, [[row.get(column) for column in columns] for row in rows])
    machine = content.get("machine") or {}
    cores = f"{machine.get('cores')} core{'s' * (machine.get('cores') != 1)}"
    where = f" on {cores} of {machine['cpu']}" if machine.get("cpu") else ""
    commit = str(content.get("commit", ""))[:10]
    source = f"From `{content.get('command', name)}`{where}" + (f", commit {commit}." if commit else ".")
    wrapped = textwrap.fill(source, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, "", wrapped])


def _table(columns: list[str], rows: list[list[Any]]) -> list[str]:
    header = [column.replace("_", " ") for column in columns]
    return [
        _line(header),
        _line(["---"] * len(header)),
        *(_line([_shown(value) for value in row]) for row in rows),
    ]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def main() -> int:
    """Write both, or with --check say whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a table is stale")
    check = parser.parse_args().check
    wanted = {README: updated(README.read_text(encoding="utf-8"), short()), PAGE: render()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if check:
        print("\n".join(f"{path.name} is stale: run this without --check" for path in stale) or "up to date")
        return int(bool(stale))
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
