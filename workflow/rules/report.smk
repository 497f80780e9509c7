rule describe:
    input:
        code="workflow/code/describe.json",
        data=ROW("data/prepared/{data}.safetensors"),
        epochs=rules.train.output.epochs,
        summary=rules.train.output.summary,
        scores=rules.evaluate.output.scores,
        confusion=rules.evaluate.output.confusion,
        predictions=rules.evaluate.output.predictions,
        parity=rules.verify.output,
        graph=rules.visualize.output.svg,
    output:
        "results/report/networks/{network}.json",
    log:
        "logs/describe.{network}.log",
    threads: 1
    params:
        settings=settings_of("describe"),
    shell:
        "intaglio describe --params params.yaml --name {wildcards.network} --data {input.data}"
        " --epochs {input.epochs} --summary {input.summary} --scores {input.scores} --confusion {input.confusion}"
        " --predictions {input.predictions} --parity {input.parity} --graph {input.graph} --output {output}"


rule report:
    input:
        code="workflow/code/report.json",
        networks=expand(rules.describe.output, network=SETTINGS.networks),
    output:
        page=report("results/report/index.html", "../report/report.rst", "Report"),
        summary=report("results/report/summary.md", "../report/report.rst", "Report"),
        epochs="results/report/epochs.csv",
    log:
        "logs/report.log",
    threads: 1
    params:
        settings=settings_of("report"),
    shell:
        "intaglio report --params params.yaml --networks results/report/networks --page {output.page}"
        " --summary {output.summary} --epochs {output.epochs}"
