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
    "generation": "The shipped model on ZINC250k",
    "moses": "MOSES by its official protocol",
    "moses_protocol": "Three objectives on MOSES's molecules",
    "metrics_golden": "The metrics against published values",
    "pmo": "PMO: sample efficiency on 20 published tasks",
    "pmo_ablation": "The search with parts taken away",
    "overhead": "What the search takes per call beside the oracle",
    "optimize_vs_random": "Search against random draws at the same budget",
    "known_goals": "Computed terms of an objective, exact and in a black box",
    "sense": "The search with and without the gate of precedent",
    "series": "From an assay table to the next plates",
    "assays": "Choosing the next plate out of a collection",
    "panel": "Filling a table of assays",
    "latent_space": "What can be done in latent space",
    "family": "The autoencoder family, trained alike",
    "tokenizers": "The same recipe on three writings of a molecule",
    "representation": "Latent vectors as features: error on held-out measurements",
    "screening": "Screening: rows per second, and where the time goes",
    "speed": "Training and sampling against the MOSES loops and the machine",
    "prepare": "Preparing ZINC250k",
    "inputs": "What becomes of molecules on their way in",
    "report": "The report of a campaign of 1,000 calls",
    "startup": "How long a user waits for the first word",
    "faults": "Faults: what was tried and what held",
}
"""What a result file shows, in the order of the page; others follow under their own names."""

SHORT = [
    ("test molecules of ZINC250k that come back exactly, encoder alone", "generation", "recon_mu_encoder"),
    ("the same after three gradient steps", "generation", "recon_mu"),
    ("samples that are molecules, greedy, single shot", "generation", "prior_validity_greedy"),
    ("FCD of 30,000 samples to ZINC250k's test molecules", "generation", "fcd"),
    ("the same of training molecules (floor)", "generation", "fcd_floor"),
    ("FCD of 30,000 samples to MOSES's test (official; published: CharRNN .073)", "moses", "fcd_test"),
    ("the same model: test molecules that come back exactly, encoder alone", "moses", "recon_encoder"),
    ("mean error of predicted logP, QED", "generation", "mae_logp, mae_qed"),
    ("sum of 20 PMO tasks, AUC top-10 at 1,000 calls (runs stopped early, then held)", "pmo", "pmo20_1k"),
    ("registered salts whose parent is kept, of 886", "inputs", "salts_right"),
    ("mean true potency of a plate: asked for, by chance", "series", "mean_true_round1, mean_true_random"),
    (
        "best 5 % of real assays found: molvae, forest, random",
        "assays",
        "top5_found, top5_forest, top5_random",
    ),
    (
        "R2 of hidden values of 50 ChEMBL assays: the panel, the best model of one assay",
        "panel",
        "assays_panel_r2, assays_best_single_r2",
    ),
    (
        "ten best that are sane to an outside judge: by default, --wild",
        "sense",
        "sane_top10, sane_top10_wild",
    ),
]
"""Rows of the README: what, result file, figures. A file that is not there has no row."""

NOTES = {
    "moses": (
        "`checkpoints/moses`, trained on the training split alone; 30,000 samples, single shot, no beam: "
        "N(0, I) at noise level 1, tokens drawn at T = 1. Test has 176,074 molecules, TestSF 176,225. The "
        "same model writes molecules of Test back: recon_encoder greedily from the encoder's mean, "
        "recon_sampled from a draw of its posterior, at kl nats. neighbors_valid: share of draws that are "
        "molecules, single shot, where neighbors of Test are on average .8, .6, .4 and .2 similar. Published "
        "(Polykovskiy 2020): VAE FCD/Test .099, which does not reconstruct, CharRNN .073, the training set "
        ".008. Training was one sitting of 1.6 hours on one core; it has not converged."
    ),
    "generation": (
        "5,000 test molecules, decoded greedily from mu, the mean that encode gives by three gradient steps "
        "from the encoder's, or from a sample of the posterior there; recon_mu_encoder and "
        "recon_sampled_encoder are without those steps, as published figures are. 30,000 draws of its prior, "
        "posterior samples of what a language model of the training molecules writes, one sample for each: "
        "the greedy text, or, where that is no molecule, the most likely text that a beam search finds to be "
        "one; what is invalid all the same is counted (prior_validity_greedy is the share without the beam). "
        "The floor is the FCD of 25,000 training molecules to the same test and validation molecules. "
        "Properties are RDKit's of the standardized molecules. JT-VAE reports 76.7 % reconstruction. "
        "moses_fcd_holdout and moses_recon_sampled are of a model taught MOSES's molecules (below)."
    ),
    "moses_protocol": (
        "Trained on 154,074 of MOSES's 176,074 test molecules, 20,000 others held out: three weights of the "
        "KL on one network, and, last, a smaller one with a longer code and a language prior, in half the "
        "passes. 5,000 held-out molecules are reconstructed as above; 20,000 samples are compared with those "
        "held out and with as many of TestSF, which has scaffolds of its own. The language model and MOSES's "
        "weight write at temperature 1 from N(0, I), once, for fewer epochs, after which they change little; "
        "molvae's language prior at .95, and with the beam. "
        "Published, trained on ten times as many molecules: MOSES's own VAE, which does not reconstruct, is "
        "at .099 from its Test; DD-VAE at 1.13 where 95 % come back from a sampled vector."
    ),
    "metrics_golden": (
        "30,000 samples of JT-VAE whose MOSES figures were published, measured by molvae against "
        "the full Test and TestSF sets."
    ),
    "pmo": (
        "Area under the curve of the mean of the ten best so far, every call counted; latent-bo with three "
        "seeds, latent-only (no graph moves, no library) with one. Start molecules are drawn from ZINC250k "
        "at random. Published figures have 10,000 calls and the same rules. Runs with 10,000 calls ended "
        "earlier, but for perindopril with the first seed: of latent-bo, those of the first seed mostly "
        "after 3,000 or 5,000 and those of the others after 1,000 to 3,000 (the table has the means; fewest "
        "on the two hops, whose pharmacophores take seconds for large molecules), those of latent-only "
        "after 1,000, or when ten molecules had the highest score there is. The last mean is held to the "
        "end, as the rules say, so that these figures can only grow: pmo20_10k is 14.7 with the first seed "
        "alone. Figures at 1,000 and 300 calls are of the first calls of the same runs, held likewise. "
        "beats_random_300 counts the tasks, of 19, on which the mean of the best of 300 calls beats the "
        "best of 310 random molecules of ZINC250k. overhead_ms_per_call is of that whole run, on one of two "
        "cores while other work took the other. The model is the one shipped before (60 nats, with a "
        "flow for its prior). The ratios of hypervolumes are of another task, three goals at once (QED, "
        "synthesis, similarity to a drug) in 500 calls, three seeds."
    ),
    "pmo_ablation": (
        "Area under the curve of the mean of the ten best, 300 calls, three tasks, three seeds: differences "
        "of a few hundredths are luck. Adapting: after every hundred calls the decoder is trained on what "
        "was found, drawn by rank, and on molecules of the library; as it does not pay, molvae does not do "
        "it. cpu ms per call: processor time beside the oracle while other work shared the machine. All are "
        "of the model shipped before, the closer model of one with a longer code (76 nats) and a flow."
    ),
    "overhead": (
        "The search as above on one task, in one process, by the clock and in processor time; threads are "
        "torch's. Batches grow, so that later calls cost less. The model is the one shipped before."
    ),
    "optimize_vs_random": (
        "Mean score of the ten best after 500 calls, mean of three seeds, all from the same ten start "
        "molecules. Random is the better of draws from the model's prior and from the starter set, which "
        "happens to hold celecoxib itself; QED cannot exceed about .948."
    ),
    "known_goals": (
        "Two objectives of one dear term (a rule of groups; likeness to a ligand) and three computed ones, "
        "from the same draws: as an mpo file, of which the dear term alone is modeled, and as one function, "
        "a black box. auc: of the mean of the ten best. calls saved: until the ten best are as good as those "
        "of the black box in the end; a search that does not get there saves none. Errors are standard "
        "errors of paired differences."
    ),
    "latent_space": (
        "On ZINC250k's test molecules, with the shipped model. auroc: how well foreign molecules are told "
        "from them. Step sizes of arithmetic are chosen on other molecules. cond: mean absolute error to the "
        "requested value, of molecules that the heads choose among drawn ones."
    ),
    "family": (
        "Equal sizes, steps, molecules (those of ZINC250k with at most 36 characters) and seed: a small "
        "model and a short training, to compare members, not to be good. recon: test molecules from mu. "
        "validity and fcd: greedy decodes, without the beam, of z drawn from N(0, I) or from a flow fitted "
        "to the posteriors. probe_r2: how much of logP, QED and SA a linear model reads off z."
    ),
    "tokenizers": (
        "The KL-target member of the family, as above, with molecules written as SMILES atom by atom, as "
        "SMILES in merged tokens (the default) and as SELFIES."
    ),
    "representation": (
        "Root-mean-square error, mean of five splits: a ridge regression and a Gaussian process on the "
        "model's posterior means (latent), on Morgan counts and on RDKit's descriptors. A fifth is held out. "
        "The figures are of the better head. The shipped model was trained on none of these measurements."
    ),
    "screening": (
        "ZINC250k through all stages, with two bounds and a goal. The floor is RDKit's parse and canonical "
        "SMILES alone, in one process. Overhead is what is left of a row's processor time without parsing, "
        "canonicalizing, standardizing, descriptors and the network's forward pass; the second figure counts "
        "standardizing as overhead too. With --clock cpu in the command, other work shared the machine and "
        "processor time was counted. Memory is the sum over all processes; its rows are the smallest "
        "molecules through the cheapest stages (no model), so that ten million take minutes, and their speed "
        "is that of a machine with other work."
    ),
    "speed": (
        "In turns with our re-creation of the MOSES loops at the same sizes (ours: those of the shipped "
        "model), medians over the repeats. Both draw at temperature 1; parsing is left out. The ceiling is "
        "the share of our time that the matrix products alone would take in the same precision. Where "
        "processors have AMX or AVX-512 BF16, training is in bfloat16 by default, and the figures of float32 "
        "stand beside; all else, and the MOSES loops, is float32. With --clock cpu in the command, other "
        "work shared the machine and processor time was counted. The figures are the worst over the numbers "
        "of threads on the processor named below; the Xeon, with AMX, was met before, with an earlier model. "
        "gflops: of the products alone."
    ),
    "prepare": (
        "The machine was busy with other work: look at the processor time, of which two free cores take half."
    ),
    "sense": (
        "Ten objectives that are not among PMO's, 300 calls, batches of 10, ten random ZINC250k molecules to "
        "start from, the same for both arms. The judge is chembl-gen-check, which the search never sees: all "
        "ring systems known to ChEMBL, no bond without precedent there. It passes 71 % of held-out ZINC250k "
        "molecules (sane_held_out), which bounds what precedent in ZINC250k can reach. auc_gain is the mean "
        "over objectives of the difference in AUC top-10, auc_gain_error its standard error. false_alarms: "
        "held-out molecules of ZINC250k that the gate refuses. Of isomers many are as good, and the judge "
        "refuses what both arms find. Tried without gain: lift instead of counts, smoothed or not, at equal "
        "false alarms; higher counts are saner (.85 of offspring at more than 5) and refuse 22 % of held-out "
        "molecules. wild also lets proposals grow beyond the sizes of the start. Two seeds."
    ),
    "series": (
        "A made-up series of 397 rows as a laboratory sends it (salts, repeats, bounds, broken SMILES): "
        "molvae ask with the core kept, logP 1 to 5 and SA to 4, then tell and ask again. The hidden rule "
        "behind the table judges each plate of 24 and stands in for the laboratory. Beside it: draws of the "
        "model around the series within the same bounds, and the 24 of a ChEMBL-like library within them "
        "that a random forest trained on the table likes best. repeats: molecules of the table with a result."
    ),
    "assays": (
        "Twelve targets of 720 to 1,000 measured compounds; a tenth is known, five plates of 24 are chosen "
        "from the rest (--source library). Share of the best 5 % found, and molvae's lead with its standard "
        "error over targets. censored: everything below the 30th percentile is reported as a bound; dropped: "
        "it is lost. The starting tenth is drawn from the earlier part of a simulated time split."
    ),
    "panel": (
        "Docking: 6,000 compounds of DOCKSTRING, 58 proteins, nine of ten cells hid. Assays: the 50 ChEMBL "
        "assays that share most compounds (11,273), a fifth hidden. A tenth of the compounds is wholly new "
        "(r2_new); r2 is of hidden cells of the others, whose remaining values only panel and iterative see. "
        "Means over the assays; all models see the same cells and are judged by the same. ridge, gp (RBF on "
        "latent vectors, MinMax on Morgan counts) and forest see one assay; iterative is scikit-learn's "
        "IterativeImputer and sees no molecule. within_90: share of values in the panel's 90 % intervals. "
        "recall_100: share of the best 1 % of hidden cells among the 100 predicted best. Seconds of one core."
    ),
    "inputs": (
        "Approved drugs, the repurposing hub, natural products, cyclic peptides, ZINC250k, ChEMBL-like "
        "molecules and MOSES's test set. salts_right: share of 886 registered salts of which the "
        "fragment is kept that ChEMBL's pipeline names. Counted: molecules whose standard form is not "
        "its own or depends on how they were written; lost between writing and reading (SMILES, CSV, "
        "Parquet, SDF); refused without metals, wildcards or unpaired electrons; drugs whose four "
        "drawings are not alike by similarity. Microseconds: processor time to standardize what was "
        "read, and with the code before."
    ),
    "report": (
        "Random search in the starter set, opened in headless Chromium, the fastest of four. Processor: "
        "seconds of all cores beyond those an empty page takes. Clock: until the page has loaded."
    ),
    "startup": (
        "A process of its own each time, from its start to its end, twenty times in turns; the bare "
        "interpreter is measured beside them."
    ),
    "faults": (
        "Kills, full disks, damaged and hostile files, oracles and texts (tests/faults); a trial fails when "
        "its family's promise does not hold. Nightly: what scripts/faults makes without options; the "
        "trials were made in several runs. Of a family that --amend tried again, results/faults.json keeps "
        "what was found before."
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
