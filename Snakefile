# The chain: download → prepare → weights → train → finetune → evaluate → export → verify → visualize → describe → report.
# Each rule is one `intaglio` command and one stage of dvc.yaml; workflow/rules/ has them in this order. The data sets and
# networks are the rows of params.yaml.
from snakemake.utils import min_version

from intaglio.chain.snakefile import check_and_sync, columns, gpus, lock_clone, names, record_results, settings_of

min_version("9.0")

SETTINGS = check_and_sync(workflow, config)
ROW = columns(SETTINGS)


report: "workflow/report/workflow.rst"


wildcard_constraints:
    data=names(SETTINGS.data),
    network=names(SETTINGS.networks),
    weights=names(SETTINGS.weights),


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        expand(rules.download.output, data=SETTINGS.data),
        expand(rules.prepare.output, data=SETTINGS.data),
        expand(rules.weights.output, weights=SETTINGS.weights),
        expand(rules.train.output, network=SETTINGS.train),
        expand(rules.finetune.output, network=SETTINGS.finetune),
        expand(rules.evaluate.output, network=SETTINGS.networks),
        expand(rules.export.output, network=SETTINGS.networks),
        expand(rules.verify.output, network=SETTINGS.networks),
        expand(rules.visualize.output, network=SETTINGS.networks),
        expand(rules.describe.output, network=SETTINGS.networks),
        rules.report.output,


onstart:
    lock_clone(workflow)


onsuccess:
    record_results()


onerror:
    record_results()
