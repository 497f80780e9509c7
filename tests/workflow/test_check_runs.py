"""`intaglio check` on real runs: the committed run again, a file changed by hand, and a changed setting."""

from project import Project


def test_a_run_is_identical_until_a_file_or_a_setting_changes_and_each_is_named(finished: Project) -> None:
    finished.commit("A run")
    assert finished.run("intaglio", "check").stdout.splitlines()[-1].startswith("identical to HEAD")

    weights = finished.root / "results/checkpoints/base.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    flipped = finished.run("intaglio", "check", check=False)
    assert flipped.returncode == 1
    assert flipped.stdout.splitlines()[-1].endswith("nothing explains it: train@base")
    weights.write_bytes(content)

    finished.set(finetune__finetuned__old_layers_rate=0.9)
    finished.run("dvc", "repro")
    text = finished.run("intaglio", "check", "main").stdout
    assert "settings: finetune.finetuned.old_layers_rate 0.7 -> 0.9" in text
    assert "because finetune@finetuned differs" in text
    assert text.splitlines()[-1].startswith(("the same within noise as main", "different from main"))
