"""What was computed once is not computed again, not through Snakemake either."""

import hashlib
from pathlib import Path

from project import Project
from stand_ins import Oracle

TRAINED = "results/metrics/base.json"
RESTORED = "train.base: computed before from the same settings, inputs and code: taken from DVC's cache"


def test_a_setting_put_to_a_second_value_and_back_is_trained_for_twice(finished: Project) -> None:
    first = finished.bytes_of("results/checkpoints", "results/metrics")
    # It takes away what no output that DVC caches is made of: the metrics, which are in git.
    finished.run("dvc", "gc", "--workspace", "--force")
    finished.set(recipes__full__label_smoothing=0.2)
    assert "train.base: base epoch 1/" in finished.snakemake(TRAINED)
    finished.set(recipes__full__label_smoothing=0.1)
    text = finished.snakemake(TRAINED)
    assert RESTORED in text and "epoch 1/" not in text
    assert finished.bytes_of("results/checkpoints", "results/metrics") == first
    assert "train@base" not in finished.dvc_status()
    # And there again, now through DVC, which knows the run that Snakemake made.
    finished.set(recipes__full__label_smoothing=0.2)
    assert "train@base" not in finished.repro("train@base")
    assert "train@base" not in finished.planned(TRAINED)
    # A job that is forced is computed; so is one whose files are not in the cache any more, or damaged there.
    assert "train.base: base epoch 1/" in finished.snakemake("--forcerun", "train", "--", TRAINED)
    damaged = _in_cache(finished, "results/metrics/base.csv")
    damaged.chmod(0o644)
    damaged.write_text("epoch\n")
    finished.run("rm", TRAINED)
    text = finished.snakemake(TRAINED)
    assert "DVC's cache has damaged files" in text and "train.base: base epoch 1/" in text
    _in_cache(finished, "results/checkpoints/base.safetensors").unlink()
    finished.run("rm", TRAINED)
    assert "train.base: base epoch 1/" in finished.snakemake(TRAINED)


def _in_cache(project: Project, output: str) -> Path:
    md5 = hashlib.md5((project.root / output).read_bytes(), usedforsecurity=False).hexdigest()
    return project.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def test_no_setting_of_a_network_is_left_out_as_dvc_looks_for_an_earlier_run(stand_ins: Project) -> None:
    oracle = Oracle(stand_ins)
    stand_ins.set(train__base__size=14)
    assert "train@base" in stand_ins.repro("train@base")
    assert oracle.wrong(("results/checkpoints/base.safetensors",)) == []
    assert oracle.lies() == []
