rule download:
    input:
        code="workflow/code/download.json",
        listing="workflow/sources/{data}.json",
    output:
        "data/raw/{data}.tar",
    log:
        "logs/download.{data}.log",
    threads: 1
    params:
        settings=settings_of("download", "data"),
    shell:
        "intaglio download --params params.yaml --name {wildcards.data} --listing {input.listing} --output {output}"


rule prepare:
    input:
        code="workflow/code/prepare.json",
        raw=rules.download.output,
    output:
        "data/prepared/{data}.safetensors",
    log:
        "logs/prepare.{data}.log",
    threads: 1
    params:
        settings=settings_of("prepare", "data"),
    shell:
        "intaglio prepare --params params.yaml --name {wildcards.data} --raw {input.raw} --output {output}"
