rule export:
    input:
        code="workflow/code/export.json",
        checkpoint="results/checkpoints/{model}.safetensors",
    output:
        "results/onnx/{model}.onnx",
    log:
        "logs/export.{model}.log",
    threads: 1
    params:
        settings=settings_of("export"),
    shell:
        "intaglio export --params params.yaml --model {wildcards.model} --checkpoint {input.checkpoint}"
        " --onnx {output}"


rule verify:
    input:
        code="workflow/code/verify.json",
        checkpoint="results/checkpoints/{model}.safetensors",
        onnx="results/onnx/{model}.onnx",
        data=data_of,
    output:
        report(
            "results/metrics/{model}.parity.json",
            caption="../report/verify.rst",
            category="ONNX",
            labels={"network": "{model}", "result": "agreement with PyTorch"},
        ),
    log:
        "logs/verify.{model}.log",
    threads: SETTINGS.compute.threads
    params:
        settings=settings_of("verify"),
    shell:
        "intaglio verify --params params.yaml --model {wildcards.model} --checkpoint {input.checkpoint}"
        " --onnx {input.onnx} --data {input.data} --parity {output}"


rule visualize:
    input:
        code="workflow/code/visualize.json",
        onnx="results/onnx/{model}.onnx",
    output:
        svg=report(
            "results/graphs/{model}.svg",
            caption="../report/visualize.rst",
            category="ONNX",
            labels={"network": "{model}", "result": "graph"},
        ),
        png="results/graphs/{model}.png",
    log:
        "logs/visualize.{model}.log",
    threads: 1
    params:
        settings=settings_of("visualize"),
    shell:
        "intaglio visualize --params params.yaml --model {wildcards.model} --onnx {input.onnx}"
        " --svg {output.svg} --png {output.png}"
