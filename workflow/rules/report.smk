rule report:
    input:
        code="workflow/code/report.json",
        data=expand("data/prepared/{role}.safetensors", role=["base", "target"]),
        epochs=expand("results/metrics/{run}.csv", run=["base", "finetuned", "scratch"]),
        summaries=expand("results/metrics/{run}.json", run=["base", "finetuned", "scratch"]),
        scores=expand(rules.evaluate.output, model=["base", "finetuned"]),
        parity=expand(rules.verify.output, model=["base", "finetuned"]),
        graphs=expand(rules.visualize.output.svg, model=["base", "finetuned"]),
    output:
        page=report(
            "results/report/index.html",
            caption="../report/report.rst",
            category="Report",
            labels={"network": "all", "result": "page"},
        ),
        summary=report(
            "results/report/summary.md",
            caption="../report/report.rst",
            category="Report",
            labels={"network": "all", "result": "summary"},
        ),
        epochs="results/report/epochs.csv",
    log:
        "logs/report.log",
    threads: 1
    params:
        settings=settings_of("report"),
    shell:
        "intaglio report --params params.yaml --metrics results/metrics --graphs results/graphs --data data/prepared"
        " --page {output.page} --summary {output.summary} --epochs {output.epochs}"
