rule export:
    input:
        code="workflow/code/export.json",
        checkpoint=rules.train.output.checkpoint,
    output:
        "results/onnx/{network}.onnx",
    log:
        "logs/export.{network}.log",
    threads: 1
    params:
        settings=settings_of("export"),
    shell:
        "intaglio export --params params.yaml --name {wildcards.network} --checkpoint {input.checkpoint}"
        " --onnx {output}"


rule verify:
    input:
        code="workflow/code/verify.json",
        checkpoint=rules.train.output.checkpoint,
        onnx=rules.export.output,
        data=ROW("data/prepared/{data}.safetensors"),
    output:
        report("results/metrics/{network}.parity.json", "../report/verify.rst", "ONNX"),
    log:
        "logs/verify.{network}.log",
    threads: SETTINGS.compute.threads
    params:
        settings=settings_of("verify"),
    shell:
        "intaglio verify --params params.yaml --name {wildcards.network} --checkpoint {input.checkpoint}"
        " --onnx {input.onnx} --data {input.data} --parity {output}"


rule visualize:
    input:
        code="workflow/code/visualize.json",
        onnx=rules.export.output,
    output:
        svg=report("results/graphs/{network}.svg", "../report/visualize.rst", "ONNX"),
        png="results/graphs/{network}.png",
    log:
        "logs/visualize.{network}.log",
    threads: 1
    params:
        settings=settings_of("visualize"),
    shell:
        "intaglio visualize --params params.yaml --name {wildcards.network} --onnx {input.onnx}"
        " --svg {output.svg} --png {output.png}"
