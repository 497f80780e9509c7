rule weights:
    input:
        code="workflow/code/weights.json",
    output:
        "results/checkpoints/{weights}.safetensors",
    log:
        "logs/weights.{weights}.log",
    threads: 1
    params:
        settings=settings_of("weights", "weights"),
    shell:
        "intaglio weights --params params.yaml --name {wildcards.weights} --checkpoint {output}"


rule train:
    input:
        code="workflow/code/train.json",
        data=ROW("data/prepared/{data}.safetensors"),
    output:
        checkpoint="results/checkpoints/{network}.safetensors",
        epochs=report("results/metrics/{network}.csv", "../report/train.rst", "Training"),
        summary="results/metrics/{network}.json",
    log:
        "logs/train.{network}.log",
    wildcard_constraints:
        network=names(SETTINGS.train),
    threads: SETTINGS.compute.threads
    resources:
        gpu=gpus(SETTINGS),
    params:
        settings=settings_of("train"),
    shell:
        "intaglio train --params params.yaml --name {wildcards.network} --data {input.data}"
        " --checkpoint {output.checkpoint} --epochs {output.epochs} --summary {output.summary}"


rule finetune:
    input:
        code="workflow/code/finetune.json",
        start=ROW("results/checkpoints/{start}.safetensors"),
        data=ROW("data/prepared/{data}.safetensors"),
    output:
        checkpoint="results/checkpoints/{network}.safetensors",
        epochs=report("results/metrics/{network}.csv", "../report/train.rst", "Training"),
        summary="results/metrics/{network}.json",
    log:
        "logs/finetune.{network}.log",
    wildcard_constraints:
        network=names(SETTINGS.finetune),
    threads: SETTINGS.compute.threads
    resources:
        gpu=gpus(SETTINGS),
    params:
        settings=settings_of("finetune"),
    shell:
        "intaglio finetune --params params.yaml --name {wildcards.network} --start {input.start} --data {input.data}"
        " --checkpoint {output.checkpoint} --epochs {output.epochs} --summary {output.summary}"


rule evaluate:
    input:
        code="workflow/code/evaluate.json",
        checkpoint=rules.train.output.checkpoint,
        data=ROW("data/prepared/{data}.safetensors"),
    output:
        scores=report("results/metrics/{network}.test.json", "../report/evaluate.rst", "Test"),
        confusion=report("results/metrics/{network}.confusion.csv", "../report/evaluate.rst", "Test"),
        predictions="results/metrics/{network}.predictions.csv",
    log:
        "logs/evaluate.{network}.log",
    threads: SETTINGS.compute.threads
    resources:
        gpu=gpus(SETTINGS),
    params:
        settings=settings_of("evaluate"),
    shell:
        "intaglio evaluate --params params.yaml --name {wildcards.network} --checkpoint {input.checkpoint}"
        " --data {input.data} --scores {output.scores} --confusion {output.confusion}"
        " --predictions {output.predictions}"
