rule train:
    input:
        code="workflow/code/train.json",
        data="data/prepared/base.safetensors",
    output:
        checkpoint="results/checkpoints/base.safetensors",
        epochs=report(
            "results/metrics/base.csv",
            caption="../report/train.rst",
            category="Training",
            labels={"network": "base", "result": "every epoch"},
        ),
        summary="results/metrics/base.json",
    log:
        "logs/train.log",
    threads: SETTINGS.compute.threads
    resources:
        gpu=gpus(SETTINGS),
    params:
        settings=settings_of("train"),
    shell:
        "intaglio train --params params.yaml --data {input.data} --checkpoint {output.checkpoint}"
        " --epochs {output.epochs} --summary {output.summary}"


rule finetune:
    input:
        code="workflow/code/finetune.json",
        base="results/checkpoints/base.safetensors",
        data="data/prepared/target.safetensors",
    output:
        checkpoint="results/checkpoints/finetuned.safetensors",
        epochs=report(
            "results/metrics/finetuned.csv",
            caption="../report/finetune.rst",
            category="Training",
            labels={"network": "finetuned", "result": "every epoch"},
        ),
        summary="results/metrics/finetuned.json",
        scratch_epochs=report(
            "results/metrics/scratch.csv",
            caption="../report/finetune.rst",
            category="Training",
            labels={"network": "scratch", "result": "every epoch"},
        ),
        scratch_summary="results/metrics/scratch.json",
    log:
        "logs/finetune.log",
    threads: SETTINGS.compute.threads
    resources:
        gpu=gpus(SETTINGS),
    params:
        settings=settings_of("finetune"),
    shell:
        "intaglio finetune --params params.yaml --base {input.base} --data {input.data}"
        " --checkpoint {output.checkpoint} --epochs {output.epochs} --summary {output.summary}"
        " --scratch-epochs {output.scratch_epochs} --scratch-summary {output.scratch_summary}"


rule evaluate:
    input:
        code="workflow/code/evaluate.json",
        checkpoint="results/checkpoints/{model}.safetensors",
        data=data_of,
    output:
        scores=report(
            "results/metrics/{model}.test.json",
            caption="../report/evaluate.rst",
            category="Test",
            labels={"network": "{model}", "result": "scores"},
        ),
        confusion=report(
            "results/metrics/{model}.confusion.csv",
            caption="../report/evaluate.rst",
            category="Test",
            labels={"network": "{model}", "result": "confusion matrix"},
        ),
        predictions="results/metrics/{model}.predictions.csv",
    log:
        "logs/evaluate.{model}.log",
    threads: SETTINGS.compute.threads
    resources:
        gpu=gpus(SETTINGS),
    params:
        settings=settings_of("evaluate"),
    shell:
        "intaglio evaluate --params params.yaml --model {wildcards.model} --checkpoint {input.checkpoint}"
        " --data {input.data} --scores {output.scores} --confusion {output.confusion}"
        " --predictions {output.predictions}"
