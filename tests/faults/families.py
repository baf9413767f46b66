"""All families of faults, with their guarantees and their numbers of nightly trials.

Faults tested elsewhere: malicious manifests (foundation/test_persistence), inconsistent checkpoints
(latent/test_codec), misbehaving Python functions (oracles/test_plugins), formats of tables
(data/test_readers).
"""

from __future__ import annotations

import bomb_faults
import campaign_faults
import fuzz_faults
import model_faults
import oracle_faults
import screen_faults
import storage_faults
import syscall_faults
import text_faults
from fault import Family

FAMILIES = (
    Family(
        "kill -9 of optimize", campaign_faults.killed_search, 200, 1,
        "no score lost or charged twice, no process or file left, the budget is exact",
    ),
    Family(
        "kill -9 of train", model_faults.killed_training, 200, 1,
        "the resumed run has the bytes of an undisturbed one",
    ),
    Family(
        "kill -9 of screen", screen_faults.killed_screen, 200, 2,
        "the resumed screen has the bytes of an undisturbed one, no process left",
    ),
    Family(
        "kill -9 of prepare", model_faults.killed_preparation, 100, 3,
        "no corpus or a whole one; again, and it is the undisturbed one",
    ),
    Family(
        "kill inside the write window", storage_faults.directory_window, 200, 20,
        "the old or the new directory, never a mixture, nothing left behind",
    ),
    Family(
        "kill inside a file's write", storage_faults.file_window, 100, 15,
        "the old or the new file, nothing left behind",
    ),
    Family("kill while a journal grows", storage_faults.journal_kill, 100, 2, "what was said to be there is"),
    Family(
        "100 readers while a journal is written", storage_faults.readers_beside_a_writer, 10, 1,
        "every reader opens the journal and sees its events, whole and in order",
    ),
    Family("bitwise resume", model_faults.stopped_training, 50, 1, "the bytes of an undisturbed run"),
    Family(
        "kills and errors at system calls", syscall_faults.failing_call, 320, 2,
        "a documented exit code; again, and it is the undisturbed result, nothing left behind",
        syscall_faults.covered,
    ),
    Family(
        "damaged journal files", storage_faults.damaged_journal, 1200, 40, "all events, or a typed error"
    ),
    Family("damaged directories", storage_faults.damaged_directory, 1000, 40, "refused, or nothing changed"),
    Family("damaged checkpoints", model_faults.damaged_model, 600, 8, "refused, or the same weights"),
    Family(
        "hostile model directories", model_faults.hostile_model, 16, 0, "refused within 2 s, nothing executed"
    ),
    Family(
        "full disk and EIO", storage_faults.refusing_disk, 40, 12, "the old state, an error naming the path"
    ),
    Family("locks of killed writers", storage_faults.locks, 20, 2, "one writer at a time, not a dead one"),
    Family(
        "SIGINT and SIGTERM, once or twice", campaign_faults.interrupted_search, 300, 1,
        "the documented exit code, finished scores on record, no process left",
    ),
    Family(
        "SIGINT, SIGTERM, SIGUSR1 of screen", screen_faults.interrupted_screen, 60, 2,
        "the documented exit code, and the same command goes on to the same bytes",
    ),
    Family(
        "shards by workers of screen", screen_faults.sharded_screen, 2, 0,
        "1, 2 and 7 shards by 0, 1 and 2 workers: the same bytes",
    ),
    Family("readers that leave a pipe", screen_faults.closed_pipe, 40, 3, "exit code 141, and nothing said"),
    Family(
        "hostile oracles", oracle_faults.hostile_oracle_trial, 72, 0,
        "one score for each molecule, failures with a reason, in time, no process left",
    ),
    Family("tells in any order", campaign_faults.telling, 500, 4, "what is on record is what was told"),
    Family("SMILES fuzz", text_faults.fuzzed_smiles, 16_000, 300, "a molecule or a reason, within 2 s"),
    Family("SELFIES fuzz", text_faults.fuzzed_selfies, 16_000, 200, "a molecule or a reason, within 2 s"),
    Family(
        "fuzzed directories", fuzz_faults.fuzzed_directory, 1500, 4,
        "a result, or a refusal in a sentence with a documented exit code",
    ),
    Family("fuzzed journals", fuzz_faults.fuzzed_journal, 700, 2, "likewise"),
    Family("fuzzed Parquet files", fuzz_faults.fuzzed_parquet, 700, 3, "likewise"),
    Family("fuzzed TOML files", fuzz_faults.fuzzed_toml, 700, 3, "likewise"),
    Family("fuzzed command lines", fuzz_faults.fuzzed_words, 1500, 6, "likewise, or hard at work"),
    Family("bombs", bomb_faults.bomb, 90, 1, "refused, or read, within 1 GB"),
    Family(
        "malformed input files", text_faults.malformed_file, 54, 0,
        "exit code 0 or 3 with a reason, every row accounted for",
    ),
    Family(
        "formulas and markup in names", text_faults.formulas_and_markup, 32, 20, "nothing computes or runs"
    ),
)  # fmt: skip
"""In the order of the table."""
